// Chromium for tests, two ways. Playwright is the usual one; but it makes every page believe that it is visible and
// focused, so what needs a page to be hidden, or a tab to be closed by its user, goes through Puppeteer.
import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';
import { ensureBrowser, ensureFirefox } from '../../js/build/setup.mjs';

export const FLAGS = [
  '--no-sandbox', // tests run as root in containers
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * @typedef {object} LaunchOptions
 * @property {boolean} [bfcache] the back-forward cache, which both libraries switch off: false. With it `page.goBack()`
 *   of Playwright never returns; use `page.evaluate(() => history.back())`
 * @property {string[]} [args] more flags
 */

/** Longer than any call takes on a busy machine. Playwright itself would wait for ever for the answer of a page that has gone. */
const ANSWER_LIMIT_MS = 30_000;

/** Signals end this process at once, and with it the pipe that Chromium lives by: waiting for a browser to close is how a test run hangs. */
const signals = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };

/**
 * A Chromium through Playwright.
 * @param {LaunchOptions} [options]
 */
export function launchBrowser({ bfcache = false, args = [] } = {}) {
  return chromium.launch({
    ...signals,
    executablePath: ensureBrowser(),
    args: [...FLAGS, ...args],
    ignoreDefaultArgs: bfcache ? ['--disable-back-forward-cache'] : [],
  });
}

/**
 * Runs `use` with a browser and closes it, whatever happens.
 * @template T
 * @param {(browser: import('playwright-core').Browser) => Promise<T>} use
 * @param {LaunchOptions} [options]
 */
export async function withBrowser(use, options) {
  const browser = await launchBrowser(options);
  try {
    return await use(browser);
  } finally {
    await browser.close();
  }
}

/**
 * A Chromium through Puppeteer: a page is hidden while another is in front (`await (await browser.newPage()).bringToFront()`),
 * and `page.close()` is what closing a tab is for a user, `pagehide` included.
 * @param {LaunchOptions} [options]
 */
export function launchTabs({ bfcache = false, args = [] } = {}) {
  return puppeteer.launch({
    ...signals,
    pipe: true,
    protocolTimeout: ANSWER_LIMIT_MS,
    executablePath: ensureBrowser(),
    args: [...FLAGS, ...args],
    ignoreDefaultArgs: bfcache ? ['--disable-back-forward-cache'] : [],
  });
}

/** A Firefox through Puppeteer; `undefined` where there is none. */
export function launchFirefox() {
  const executablePath = ensureFirefox();
  return executablePath && puppeteer.launch({ ...signals, browser: 'firefox', executablePath, protocolTimeout: ANSWER_LIMIT_MS });
}

/**
 * What a page complains about: a test that is about something else ends with `assert.deepEqual(complaints(), [])`.
 * Takes pages of both libraries. Call it before `goto`.
 *
 * @param {import('playwright-core').Page | import('puppeteer-core').Page} page
 */
export function watchPage(page) {
  /** Lines of `console.error`, and what the browser itself writes there, as a refused preflight. */
  /** @type {string[]} */ const consoleErrors = [];
  /** @type {string[]} */ const consoleWarnings = [];
  /** Exceptions that nobody caught and rejections that nobody handled. */
  /** @type {string[]} */ const pageErrors = [];
  page.on('console', (message) => {
    // The browser asks for it when it likes, also just when a test has taken the network away.
    if (message.location()?.url?.endsWith('/favicon.ico')) return;
    // Puppeteer says 'warn' in newer versions.
    if (message.type() === 'error') consoleErrors.push(message.text());
    if (message.type().startsWith('warn')) consoleWarnings.push(message.text());
  });
  page.on('pageerror', (error) => pageErrors.push(error instanceof Error ? error.message : String(error)));
  return { consoleErrors, consoleWarnings, pageErrors, complaints: () => [...consoleErrors, ...pageErrors] };
}

/**
 * Opens a URL and watches the page.
 * @param {import('playwright-core').Browser | import('playwright-core').BrowserContext} browser
 * @param {string} url
 */
export async function openPage(browser, url) {
  const page = await browser.newPage();
  const watched = watchPage(page);
  const { evaluate } = page;
  page.evaluate = (...args) => inTime(evaluate.apply(page, args), `page.evaluate(${args[0]})`);
  await page.goto(url);
  return { page, ...watched };
}

/**
 * Leaves a page by a link of its own. Nothing to wait for: whether a page that goes answers, nobody promises.
 * @param {import('playwright-core').Page} page
 * @param {string} url
 */
export function leave(page, url) {
  page.evaluate((to) => void (location.href = to), url).catch(() => {});
}

/**
 * Closes a tab as its user does, `pagehide` included.
 * @param {import('playwright-core').Page | import('puppeteer-core').Page} page
 */
export async function closeTab(page) {
  const closed = new Promise((resolve) => page.once('close', resolve));
  await page.close({ runBeforeUnload: true });
  await closed;
}

/**
 * The same promise, but one that ends.
 * @template T
 * @param {Promise<T>} promise
 * @param {string} what named in the error
 * @param {number} [limitMs]
 * @returns {Promise<T>}
 */
export async function inTime(promise, what, limitMs = ANSWER_LIMIT_MS) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms: ${what}`)), limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Imports a module into a page and makes it a global: for pages that do not start webspan themselves.
 * @param {import('playwright-core').Page | import('puppeteer-core').Page} page
 * @param {string} specifier as the page would import it
 * @param {string} [name] of the global
 */
export async function importInto(page, specifier = '/dist/index.js', name = 'webspan') {
  await page.evaluate(async ([from, to]) => {
    window[to] = await import(from);
  }, [specifier, name]);
}
