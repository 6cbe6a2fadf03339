// `npm run test:faults [-- --only TEXT] [--write]`: what becomes of spans under each fault, by what the collector has in the end.
//
// Each cell is a page in a real browser in which a number of spans end and then something goes wrong; after it a second page of the same origin is
// opened, as a user would who comes back, and a third where that one could not deliver all that was stored. Fails where a span is missing of which
// nobody has said so: neither the page in its last account of where every span is, nor a page after it. `--write` puts the table into the README, with
// `--only` the lines of these faults.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { projectDir } from '../../js/build/setup.mjs';
import { closeTab, launchTabs } from '../harness/browser.mjs';
import { startReceiver } from '../harness/receiver.mjs';
import { startSite, webspanPage } from '../harness/site.mjs';

const COUNTS = [10, 500, 5000];

/** Set-ups that the table compares. In both the queue has room for all, so that what is shown is the fault and not a full queue. */
const SETTINGS = {
  'as it is': {},
  'outbox: true': { outbox: true },
};

/** Nothing more has come for so long: it will not. Longer than any wait between two attempts here. */
const QUIET_MS = 3_000;

/** The same where the outbox still holds something: between two of its requests a busy machine may take longer. */
const QUIET_STORED_MS = 10_000;

/** How often a user comes back. */
const VISITS = 2;

/** Cells at a time: they wait more than they work. */
const AT_ONCE = 3;

/** @type {(url: string, timeoutMillis?: number) => object} */
const until = (url, timeoutMillis = 10_000) => ({ endpoint: url, timeoutMillis, retry: { initialMillis: 100, maxMillis: 1_000, maxElapsedMillis: 5_000 } });

/**
 * @typedef {object} Scene
 * @property {import('puppeteer-core').Page} page
 * @property {Awaited<ReturnType<typeof startSite>>} site
 * @property {Awaited<ReturnType<typeof startReceiver>>} receiver
 * @property {() => Promise<void>} end the spans end
 * @property {() => Promise<void>} account the page says where its spans are: nobody can ask it later
 */

/**
 * @typedef {object} Fault
 * @property {string} name
 * @property {import('../harness/receiver.mjs').Answer[] | (() => import('../harness/receiver.mjs').Answer)} [answers] of the collector; after these, and for who comes back twice, it is well
 * @property {number} [timeoutMillis] of a request; longer than any takes on a busy machine unless it says so
 * @property {boolean} [crashes] what the page knows is gone with it: it is asked just before
 * @property {(scene: Scene) => Promise<void>} run
 */

/** @type {Fault[]} */
const FAULTS = [
  { name: 'navigate', run: async ({ page, site, end }) => (await end(), await page.goto(site.url('/elsewhere'))) },
  { name: 'close the tab', run: async ({ page, end }) => (await end(), await closeTab(page)) },
  { name: 'reload', run: async ({ page, end }) => (await end(), await page.reload()) },
  {
    name: 'into the back-forward cache and back',
    run: async ({ page, site, end }) => {
      await end();
      await page.goto(site.url('/elsewhere'));
      page.evaluate(() => history.back()).catch(() => {});
      await page.waitForFunction(() => window.instance);
      await page.evaluate(() => window.instance.flush());
    },
  },
  {
    name: 'hidden, then killed',
    crashes: true,
    run: async ({ page, end, account }) => {
      await end();
      const other = await page.browserContext().newPage();
      await other.bringToFront();
      await page.waitForFunction(() => document.visibilityState === 'hidden');
      await delay(300);
      await account();
      await crash(page);
    },
  },
  {
    name: 'the tab crashes',
    crashes: true,
    run: async ({ page, end, account }) => {
      await end();
      await delay(2_500);
      await account();
      await crash(page);
    },
  },
  {
    name: 'offline, then online',
    run: async ({ page, receiver, end }) => {
      await goOffline(page, receiver);
      await end();
      page.evaluate(() => window.instance.flush()).catch(() => {});
      await delay(6_000); // longer than anything may be tried again
      await receiver.plugIn();
      await page.setOfflineMode(false);
    },
  },
  {
    name: 'offline, and the tab is closed',
    run: async ({ page, receiver, end, account }) => {
      await goOffline(page, receiver);
      await end();
      await account();
      await closeTab(page);
      await delay(QUIET_MS);
      await receiver.plugIn();
    },
  },
  ...Object.entries({
    'collector: 429': [{ status: 429, headers: { 'Retry-After': '1' } }],
    'collector: 503 three times': [{ status: 503 }, { status: 503 }, { status: 503 }],
    'collector: 400': [{ status: 400 }],
    'collector: hangs once': [{ hang: true }],
    'collector: resets once': [{ reset: true }],
    'collector: slow': Array(20).fill({ delayMs: 700 }),
    'collector: an answer is lost': [{ lost: true }],
  }).map(([name, answers]) => ({ name, answers, timeoutMillis: answers[0].hang ? 1_000 : undefined, run: async ({ page, end }) => (await end(), void page.evaluate(() => window.instance.flush()).catch(() => {})) })),
  {
    name: 'collector: down, and the page is left',
    answers: () => ({ status: 503 }),
    run: async ({ page, site, receiver, end }) => {
      await end();
      page.evaluate(() => window.instance.flush()).catch(() => {});
      await receiver.waitUntil(() => receiver.requests.length >= 1);
      await page.goto(site.url('/elsewhere'));
    },
  },
];

const { values: flags } = parseArgs({ options: { only: { type: 'string', default: '' }, write: { type: 'boolean', default: false } } });
const browser = await launchTabs({ bfcache: true });
const rows = [];
try {
  const faults = FAULTS.filter(({ name }) => name.includes(flags.only));
  const cells = faults.flatMap((fault) => Object.entries(SETTINGS).flatMap(([setting, options]) => COUNTS.map((count) => ({ fault, setting, options, count }))));
  const waiting = cells.entries();
  const worker = async () => {
    for (const [index, { fault, setting, options, count }] of waiting) {
      rows[index] = { fault: fault.name, setting, count, ...(await cellOf(fault, options, count)) };
      console.log(JSON.stringify(rows[index]));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
} finally {
  await browser.close();
}
const table = tableOf(rows);
console.log(`\n${table}`);
if (flags.write) writeInto(join(projectDir, 'README.md'), table);
const unexplained = rows.filter(({ unexplained }) => unexplained > 0);
console.log(`\n${rows.length} cells, ${unexplained.length} with a loss that nobody has told`);
process.exitCode = unexplained.length > 0 ? 1 : 0;

/** @param {Fault} fault */
async function cellOf(fault, options, count) {
  const receiver = await startReceiver({
    cors: { allowedOrigins: ['*'], allowedHeaders: ['*'], exposedHeaders: ['Retry-After'], maxAgeSeconds: 7200 },
    answers: fault.answers ?? [],
  });
  const accounts = [];
  // Registered after webspan's own, so that what it does as the page goes is in the account.
  const lastWord = `<script>addEventListener('load', () => addEventListener('pagehide', () => navigator.sendBeacon('/account', JSON.stringify(window.instance.stats())), true))</script>`;
  const shown = { ...until(receiver.url, fault.timeoutMillis), ...options, instrumentations: { fetch: false, xhr: false, documentLoad: false, navigation: false, errors: false }, batch: { scheduledDelayMillis: 60_000, maxQueueSize: 10_000, maxExportBatchSize: 512 } };
  const site = await startSite({
    routes: {
      '/': webspanPage(shown, { body: lastWord }),
      '/elsewhere': (request, response) => void response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html>'),
      '/account': (request, response) => (accounts.push(JSON.parse(request.body)), void response.writeHead(204).end()),
    },
  });
  const context = await browser.createBrowserContext();
  try {
    const page = await context.newPage();
    await page.goto(site.url('/'));
    // A visitor who stays for a moment: what is not needed at once has been loaded by then.
    await delay(1_000);
    const account = async () => accounts.push(await page.evaluate(() => window.instance.stats()));
    const end = () => page.evaluate((count) => {
      for (let index = 0; index < count; index++) window.instance.tracer.startSpan('checkout step', { attributes: { 'app.index': index, 'app.text': 'of an ordinary length' } }).end();
    }, count);
    await fault.run({ page, site, receiver, end, account });
    await quiet(receiver);
    // Whoever is still there tells where its spans are.
    const isHere = !fault.crashes && !page.isClosed() && (await page.evaluate(() => !!window.instance).catch(() => false));
    if (isHere) accounts.push(await page.evaluate(() => window.instance.stats()));
    let books = booksOf(count, accounts, 0, receiver);
    let unrecovered = 0;
    for (let visit = 1; visit === 1 || (visit <= VISITS && books.stored > 0 && books.delivered < count); visit++) {
      if (visit > 1) receiver.respondWith({});
      const next = await context.newPage();
      await next.goto(site.url('/'));
      await quiet(receiver, () => booksOf(count, accounts, 0, receiver).delivered < count && books.stored > 0);
      unrecovered += (await next.evaluate(() => window.instance.stats())).unrecovered;
      await next.close();
      books = booksOf(count, accounts, unrecovered, receiver);
    }
    return books;
  } finally {
    await context.close();
    await site.close();
    await receiver.close({ allowViolations: true });
  }
}

/** The browser says that it is offline; but what leaves with a page goes out after it, and finds the network there: so the collector goes, too. */
async function goOffline(page, receiver) {
  await page.setOfflineMode(true);
  await receiver.unplug();
}

/** What a user sees as "Aw, Snap!". */
async function crash(page) {
  const cdp = await page.createCDPSession();
  cdp.send('Page.crash').catch(() => {});
  await delay(500);
}

async function quiet(receiver, isStored = () => false) {
  for (let seen = -1; seen !== receiver.requests.length; ) {
    seen = receiver.requests.length;
    await delay(isStored() ? QUIET_STORED_MS : QUIET_MS);
  }
}

/** Where every span is: in the collector, or in somebody's word for it. */
function booksOf(ended, accounts, unrecovered, receiver) {
  const isTaken = ({ answer }) => (answer.status ?? 200) < 300 && !answer.hang && !answer.reset;
  const idsOf = (requests) => requests.flatMap(({ spans }) => spans.filter(({ name }) => name === 'checkout step').map(({ spanId }) => spanId));
  const taken = idsOf(receiver.requests.filter(isTaken));
  const delivered = new Set(taken).size;
  const turnedAway = new Set(idsOf(receiver.requests.filter((request) => !isTaken(request))).filter((id) => !taken.includes(id))).size;
  // A reload and the next page begin accounts of their own.
  const last = accounts.filter(({ ended: count }) => count === ended).at(-1);
  const sum = (reasons) => Object.entries(reasons).reduce((total, [reason, count]) => total + (reason === 'notReady' ? 0 : count), 0);
  const dropped = sum(last?.dropped ?? {}) + unrecovered;
  const leftBehind = last?.queued ?? 0;
  const stored = last?.stored ?? 0;
  // Nobody was there any more to read the answers.
  const unacknowledged = (last?.unacknowledged ?? 0) + (last?.inFlight ?? 0);
  const missing = ended - delivered;
  return {
    ended,
    delivered,
    duplicated: taken.length - delivered,
    unacknowledged,
    stored,
    dropped,
    // With the page that held them, and by its own last account.
    leftBehind: Math.min(leftBehind, missing),
    // What the collector has turned away, and the page has counted as not known, is no lie; what never got there is.
    unexplained: Math.max(0, missing - dropped - leftBehind - Math.min(turnedAway, unacknowledged)),
  };
}

/** A line for each fault in each set-up; in a column stands what came of each of the {@link COUNTS}. */
function tableOf(rows) {
  const columns = { delivered: 'delivered', duplicated: 'duplicated', unacknowledged: 'unacknowledged', stored: 'stored', dropped: 'dropped', leftBehind: 'left behind' };
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const lines = [line(['fault', 'set-up', ...Object.values(columns)]), line(['---', '---', ...Object.keys(columns).map(() => '--:')])];
  for (let first = 0; first < rows.length; first += COUNTS.length) {
    const group = rows.slice(first, first + COUNTS.length);
    const cells = Object.keys(columns).map((column) => (group.some((row) => row[column] > 0) ? group.map((row) => row[column]).join(' / ') : '–'));
    lines.push(line([group[0].fault, `\`${group[0].setting}\``, ...cells]));
  }
  return lines.join('\n');
}

/** With `--only`, the lines of these faults are written into the table that is there. */
function writeInto(file, table) {
  const text = readFileSync(file, 'utf8');
  const [start, end] = ['<!-- faults -->', '<!-- /faults -->'];
  if (flags.only) {
    const nameOf = (line) => line.split(' | ', 2).join(' | ');
    const lines = new Map(table.split('\n').map((line) => [nameOf(line), line]));
    const known = text.slice(text.indexOf(start) + start.length, text.indexOf(end)).trim();
    table = known.split('\n').map((line) => lines.get(nameOf(line)) ?? line).join('\n');
  }
  writeFileSync(file, `${text.slice(0, text.indexOf(start) + start.length)}\n\n${table}\n\n${text.slice(text.indexOf(end))}`);
}
