// What could not be delivered waits in IndexedDB for a later page of this origin. Loaded only with the option `outbox`.
//
// When the page goes, only writes are started, and committed at once: a transaction that is left to itself dies with the page, and a read makes
// the next page wait for it in WebKit. Even so Chromium aborts what it has not committed when the page is gone, and on a busy machine that is all: so a
// copy goes into `localStorage`, which is written when it returns, until the next page has seen what has become of it. A record is deleted when its
// request is answered, never before.

import { startTimer, stopTimer, wallMs, within } from './clock.js';
import type { Core } from './core.js';
import type { OutboxSettings, Settings } from './options.js';
import { isOffline } from './page.js';
import type { Transport } from './transport.js';

/** Of the database, and of the lock that the page holds which sends. */
const NAME = 'webspan.outbox';
const RECORDS = 'records';
const LEASES = 'leases';

/** What a record's body is: an `ExportTraceServiceRequest` in protobuf. One of another number is from a later version that was taken back. */
const FORMAT = 1;

/** The page's own requests come first. */
const START_MS = 1000;

/** Pages that start together, or are online again together, are not to send together. */
const JITTER_MS = 1000;

/** Between two requests. */
const PAUSE_MS = 100;

/** What could not be sent, as another page was at it or the first request failed, is tried again after so long. */
const AGAIN_MS = 30_000;

/** Pages that are closed meanwhile leave something behind: a page that stays looks again after so long. */
const LOOK_AGAIN_MS = 300_000;

/** Nobody waits longer than this for IndexedDB, which may be blocked by another page. */
const PATIENCE_MS = 1000;

/** A database that has not answered for so long is given up: who waits for it may hold the lock that other pages need. */
const HUNG_MS = 10_000;
/** All copies together: some of the millions of characters that a page may have there. What has no room is only counted. */
const MAX_COPIED_BYTES = 1_000_000;

/** As in src/retry.rs; 0 and -1 are no answer at all. */
const MAY_PASS = [0, -1, 429, 502, 503, 504];

/** The door is closed, or elsewhere (1, a redirect), which is not the record's fault. */
const CLOSED = [1, 401, 403, 404];

/** Spans that a record may say it has, which is far more than any has: what is counted stays a number that can be. */
const MAX_SPANS = 1e7;

/** All but the body, so that what is there is known without reading bodies; IndexedDB sorts such keys by their elements, so the eldest is first. */
type Key = [createdMs: number, spans: number, bodyBytes: number, owner: string, nonce: number];

type Body = Uint8Array<ArrayBuffer>;

interface OutboxRecord {
  format: number;
  /** As `Content-Encoding`; empty for none. */
  encoding: string;
  body: Body;
}

/** A transaction, and the batches that it stores. */
interface Writing {
  transaction: IDBTransaction;
  batches: number[];
  records: [Key, Body][];
}

interface Lease {
  holder: number;
  untilMs: number;
}

export interface OutboxHost {
  readonly core: Core;
  readonly settings: Settings;
  readonly transport: Transport;
  /** The user has consented, and webspan runs. */
  wanted(): boolean;
}

/** Opens the outbox, if it is wanted and not open; with `discard`, it is closed and deleted. Never rejects. */
export async function seeTo(host: OutboxHost, discard: boolean): Promise<void> {
  const { core, transport } = host;
  if (discard) {
    transport.outbox?.close();
    await within(forget(), PATIENCE_MS);
  } else if (!transport.outbox && host.wanted()) {
    // It may still open once nobody waits any longer.
    const opened = open().then((db) => {
      if (!db) return;
      if (transport.outbox || !host.wanted()) return db.close();
      // Whoever wants to delete it is not kept waiting.
      db.onversionchange = () => transport.outbox?.close();
      transport.outbox = new Outbox(db, host);
      transport.tell(() => core.x.set_outbox(+true));
    });
    await within(opened, PATIENCE_MS);
  }
}

/** Undefined where there is no IndexedDB, or the page may not use it: in private windows, in sandboxed frames. */
async function open(): Promise<IDBDatabase | undefined> {
  try {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => [RECORDS, LEASES].forEach((name) => request.result.createObjectStore(name));
    const db = await answered(request, 0);
    if (db.objectStoreNames.contains(RECORDS) && db.objectStoreNames.contains(LEASES)) return db;
    // Somebody else's, or broken: the next page makes a new one.
    db.close();
    indexedDB.deleteDatabase(NAME);
  } catch {
    // There is none, then.
  }
  return undefined;
}

/** Deletes all that is stored. Pages that have it open let go of it. */
function forget(): Promise<void> {
  takeCopies();
  return new Promise((done) => {
    try {
      const request = indexedDB.deleteDatabase(NAME);
      request.onsuccess = request.onerror = () => done();
    } catch {
      // There is none.
      done();
    }
  });
}

const copyName = (key: Key): string => NAME + JSON.stringify(key);

/** A byte is a character. */
function copy(key: Key, body: Body): void {
  attempt(() => {
    let text = '';
    for (let at = 0; at < body.length; at += 8192) text += String.fromCharCode(...body.subarray(at, at + 8192));
    localStorage.setItem(copyName(key), text);
  });
}

/** Takes the copies out, each with the key that its record has if it was committed. */
function takeCopies(): [Key, Body][] {
  const copies: [Key, Body][] = [];
  attempt(() => {
    for (const name of Object.keys(localStorage)) {
      if (!name.startsWith(NAME)) continue;
      const text = localStorage.getItem(name)!;
      localStorage.removeItem(name);
      attempt(() => copies.push([JSON.parse(name.slice(NAME.length)) as Key, Uint8Array.from(text, (char) => char.charCodeAt(0))]));
    }
  });
  return copies;
}

export class Outbox {
  /** Whose records these are. Those of others stay: with them the headers of this page would go to a collector that they are not meant for. */
  private readonly owner: string;
  private readonly rules: OutboxSettings;
  /** There may be records of ours. */
  private promising = true;
  private lookedMs = wallMs();
  private resumeMs = 0;
  private running: Promise<void> | undefined;
  private limit: AbortController | undefined;
  /** The page has been left. */
  private paused = false;
  /** For good; then so many bytes have been copied. */
  private gone = false;
  private copiedBytes = 0;
  private timer: number | undefined;
  /** Until this task ends. */
  private writing: Writing | undefined;
  private readonly puts = new Map<Promise<void>, Writing>();
  /** What was put there since the last look at all of it. */
  private fresh = { count: 0, bytes: 0 };
  private readonly holder = Math.random();
  private readonly listening = new AbortController();

  constructor(
    private readonly db: IDBDatabase,
    private readonly host: OutboxHost,
  ) {
    const { settings } = host;
    this.owner = `${settings.serviceName} ${settings.tracesUrl}`;
    this.rules = settings.outbox as OutboxSettings;
    const options = { capture: true, signal: this.listening.signal };
    // What is under way ends with the page, so that it holds no lock in the back-forward cache.
    addEventListener(
      'pagehide',
      ({ persisted }) => {
        this.pause();
        this.gone = !persisted;
        if (this.gone) this.puts.forEach(({ records }) => records.forEach(([key, body]) => this.copy(key, body)));
      },
      options,
    );
    addEventListener('pageshow', (event) => event.persisted && this.resume(), options);
    addEventListener('online', () => this.resume(), options);
    this.drainAfter(START_MS);
  }

  /** Tells the core whether it is there now. */
  store(batch: number, body: Uint8Array<ArrayBuffer>, spans: number): void {
    const { fresh, host, rules } = this;
    const key: Key = [wallMs(), spans, body.length, this.owner, Math.random()];
    const record: OutboxRecord = { format: FORMAT, encoding: '', body };
    fresh.count++;
    fresh.bytes += body.length;
    try {
      // The eldest give way when somebody looks, which a page that goes does not: so it stores no more than all that there may be.
      if (fresh.count > rules.maxCount || fresh.bytes > rules.maxBytes) throw new RangeError('full');
      this.writing ??= this.begin();
    } catch {
      host.transport.tell(() => host.core.x.settle_store(batch, +false));
      return;
    }
    const { transaction, batches, records } = this.writing;
    batches.push(batch);
    records.push([key, body]);
    if (this.gone) this.copy(key, body);
    try {
      transaction.objectStore(RECORDS).put(record, key);
    } catch {
      abort(transaction);
    }
  }

  private copy(key: Key, body: Body): void {
    this.copiedBytes += body.length;
    copy(key, this.copiedBytes > MAX_COPIED_BYTES ? new Uint8Array() : body);
  }

  /**
   * All that is stored in one task is one transaction: others would wait for it to end, and a page that goes takes with it what waits. What
   * follows a task at once, as the commit here, is part of it.
   */
  private begin(): Writing {
    const { core, transport } = this.host;
    const { transaction, ended } = this.change();
    const batches: number[] = [];
    const writing: Writing = { transaction, batches, records: [] };
    const settle = (isStored: boolean) => {
      this.puts.delete(put);
      if (this.gone) writing.records.forEach(([key]) => attempt(() => localStorage.removeItem(copyName(key))));
      transport.tell(() => batches.forEach((batch) => core.x.settle_store(batch, +isStored)));
      if (document.visibilityState !== 'hidden' && !this.paused) this.trim().catch(() => {});
    };
    const put = ended.then(
      () => settle(true),
      () => settle(false),
    );
    this.puts.set(put, writing);
    this.promising = true;
    void Promise.resolve().then(() => {
      this.writing = undefined;
      commit(transaction);
    });
    return writing;
  }

  /** What is being written is written, or will not be. */
  async settled(): Promise<void> {
    await within(Promise.all(this.puts.keys()), PATIENCE_MS);
  }

  /** Sends what is there, if no other page is at it. */
  drain(): void {
    this.promising ||= wallMs() - this.lookedMs > LOOK_AGAIN_MS;
    if (!this.promising || this.paused || this.running || wallMs() < this.resumeMs || isOffline() || !this.host.wanted()) return;
    this.lookedMs = wallMs();
    const limit = (this.limit = new AbortController());
    this.running = this.alone((renew) => this.send(limit, renew))
      // The database was closed or has failed. Whatever is there, another page finds.
      .catch(() => {})
      .then(() => (this.running = undefined));
  }

  private pause(): void {
    this.paused = true;
    this.limit?.abort();
  }

  /** The page is in use again, or online again. */
  private resume(): void {
    this.paused = false;
    this.promising = true;
    this.drainAfter(0);
  }

  close(): void {
    const { core, transport } = this.host;
    this.pause();
    this.listening.abort();
    stopTimer(this.timer);
    transport.outbox = undefined;
    // Not by `tell`: it may be the core that has failed.
    core.x.set_outbox(+false);
    // What is being written is written first.
    this.db.close();
  }

  private drainAfter(delayMs: number): void {
    stopTimer(this.timer);
    this.timer = startTimer(() => this.drain(), delayMs + JITTER_MS * Math.random());
  }

  /** Runs `run` in one page at a time; in none, while another is at it. */
  private async alone(run: (renew: () => Promise<boolean>) => Promise<void>): Promise<void> {
    // Only in secure contexts.
    const locks = navigator.locks as LockManager | undefined;
    if (locks) return locks.request(NAME, { ifAvailable: true }, async (lock) => (lock ? run(async () => true) : this.drainAfter(AGAIN_MS)));
    // A request may take that long, and some.
    const renew = () => this.lease(wallMs() + this.host.settings.timeoutMillis * 2);
    if (await renew()) await run(renew).finally(() => this.lease(0));
    else this.drainAfter(AGAIN_MS);
  }

  /** Takes the lease, renews it, or with 0 gives it back. False: another page has it. */
  private async lease(untilMs: number): Promise<boolean> {
    const { db, holder } = this;
    const leases = db.transaction(LEASES, 'readwrite').objectStore(LEASES);
    const held = (await answered(leases.get(NAME))) as Lease | undefined;
    const now = wallMs();
    // One that lasts longer than any can was written before the clock was put back.
    if (held && held.holder !== holder && held.untilMs > now && held.untilMs < now + this.host.settings.timeoutMillis * 3) return false;
    await answered(leases.put({ holder, untilMs } satisfies Lease, NAME));
    return true;
  }

  /** One request at a time, up to the first that fails. */
  private async send(limit: AbortController, renew: () => Promise<boolean>): Promise<void> {
    const { transport } = this.host;
    for (const key of await this.trim()) {
      const [, spans, , owner] = key;
      if (owner !== this.owner) continue;
      if (limit.signal.aborted || !(await renew())) return;
      const record = await answered(this.db.transaction(RECORDS).objectStore(RECORDS).get(key)).catch(() => undefined);
      const { format, encoding, body } = Object(record) as OutboxRecord;
      // It cannot be read, or is none of ours; or another page, or the user, has removed it, which is not counted.
      if (format !== FORMAT || encoding !== '' || !(body instanceof Uint8Array) || !body.length || body.length > this.rules.maxBytes) {
        await this.remove([key]);
        continue;
      }
      if (limit.signal.aborted) return;
      const { body: sent, type } = transport.encoded(body);
      const { status, retryMs, rejected } = await transport.request(sent, type, false, false, limit);
      if (MAY_PASS.includes(status) || CLOSED.includes(status)) {
        this.resumeMs = wallMs() + Math.min(retryMs || 0, LOOK_AGAIN_MS);
        if (MAY_PASS.includes(status)) this.drainAfter(Math.min(Math.max(AGAIN_MS, retryMs || 0), LOOK_AGAIN_MS));
        return;
      }
      const { transaction, ended } = this.change();
      transaction.objectStore(RECORDS).delete(key);
      commit(transaction);
      await ended;
      const lost = status >= 200 && status < 300 ? Math.min(rejected, spans) : spans;
      this.host.core.recovered += spans - lost;
      this.host.core.unrecovered += lost;
      // A page in the back-forward cache has no timers.
      await new Promise<void>((go) => {
        startTimer(go, PAUSE_MS);
        limit.signal.addEventListener('abort', () => go());
      });
    }
    this.promising = false;
  }

  /** Takes out what is too old, and the eldest of what is too much. The keys of the rest, the eldest first. */
  private async trim(): Promise<Key[]> {
    const { maxBytes, maxCount, maxAgeMillis } = this.rules;
    // First: what was copied was begun to be written before this reads, and IndexedDB keeps the order.
    const copies = takeCopies();
    const keys = await answered(this.db.transaction(RECORDS).objectStore(RECORDS).getAllKeys());
    for (const [key, body] of copies) {
      if (keys.some((known) => (known as Key)[4] === key[4])) continue;
      if (!body.length) {
        this.host.core.unrecovered += Number(key[1]) || 1;
        continue;
      }
      const { transaction, ended } = this.change();
      attempt(() => {
        transaction.objectStore(RECORDS).put({ format: FORMAT, encoding: '', body } satisfies OutboxRecord, key);
        keys.push(key);
      });
      await ended;
    }
    let count = 0;
    let bytes = 0;
    const kept: Key[] = [];
    const dropped: IDBValidKey[] = [];
    for (const key of keys.reverse()) {
      const isOurs = isKey(key);
      // Also what is of the future: one of the two clocks is wrong, and none knows which.
      if (isOurs && Math.abs(wallMs() - key[0]) <= maxAgeMillis && count < maxCount && bytes + key[2] <= maxBytes) {
        count++;
        bytes += key[2];
        kept.push(key);
      } else dropped.push(key);
    }
    this.fresh = { count: 0, bytes: 0 };
    if (dropped.length) await this.remove(dropped);
    return kept.reverse();
  }

  /** What is not delivered, and will not be. */
  private async remove(keys: IDBValidKey[]): Promise<void> {
    let lost = 0;
    const { transaction, ended } = this.change();
    const records = transaction.objectStore(RECORDS);
    for (const key of keys) {
      // Of two pages that take it out, one counts it.
      const there = records.getKey(key);
      there.onsuccess = () => {
        if (there.result === undefined) return;
        lost += isKey(key) ? key[1] : 1;
        records.delete(key);
      };
    }
    await ended;
    this.host.core.unrecovered += lost;
  }

  private change(): { transaction: IDBTransaction; ended: Promise<void> } {
    const transaction = this.db.transaction(RECORDS, 'readwrite');
    const ended = new Promise<void>((done, fail) => {
      transaction.oncomplete = () => done();
      transaction.onabort = () => fail(transaction.error);
    });
    startTimer(() => abort(transaction), HUNG_MS);
    transaction.onerror = (event) => {
      // Else Firefox tells the page of it.
      event.preventDefault();
      abort(transaction);
    };
    return { transaction, ended };
  }
}

/** The store is open to everything of this origin. */
function isKey(key: IDBValidKey): key is Key {
  if (!Array.isArray(key) || key.length !== 5) return false;
  const [createdMs, spans, bodyBytes, owner, nonce] = key as unknown[];
  const types = [createdMs, bodyBytes, owner, nonce].map((part) => typeof part).join();
  return types === 'number,number,string,number' && Number.isInteger(spans) && (spans as number) > 0 && (spans as number) < MAX_SPANS && (bodyBytes as number) > 0;
}

/** It does not wait for what else may be asked of it, and so outlives the page. */
function commit(transaction: IDBTransaction): void {
  attempt(() => transaction.commit());
}

function abort(transaction: IDBTransaction): void {
  attempt(() => transaction.abort());
}

/** What the browser may refuse: a transaction that has ended, a `commit` that it does not know, `localStorage`. */
function attempt(run: () => void): void {
  try {
    run();
  } catch {
    // Then it goes on without.
  }
}

function answered<T>(request: IDBRequest<T>, limitMs = HUNG_MS): Promise<T> {
  return new Promise((done, fail) => {
    if (limitMs) startTimer(fail, limitMs);
    request.onsuccess = () => done(request.result);
    request.onerror = (event) => {
      // Else Firefox tells the page of it.
      event.preventDefault();
      fail(request.error);
    };
  });
}
