// The core: loads the WebAssembly, writes text into its scratch area, and stands between it and the page, so that nothing it does can
// break the page. The only file that knows the glue.

import type { Loss, Stats } from './api.js';
import type { Tell } from './diagnosis.js';
import type { SpanProcessors } from './processors.js';
import { pageMs, timeOriginMs, wallMs } from './clock.js';
import { quietly, textOf } from './thrown.js';
import { initSync, type InitOutput } from '#core';

export type Exports = InitOutput;

/** In the place of a handle: the attributes of the next event or link, those of the resource, and those of every span (engine.rs). */
export const STAGED = -2;
export const RESOURCE = -3;
export const GLOBALS = -4;

/** How a value is handed over: its type (abi.rs), and a number. For text that is its length. */
export const TEXT = 0;
export const NUMBER = 1;
export const BOOL = 2;
export const LIST = 3;

/** Texts of ordinary size fit without asking for more room. */
const SCRATCH_BYTES = 16384;

/**
 * Above this length `TextEncoder` is better than a loop: it costs 160 ns in Chromium, whatever the length. In code that runs often the loop is
 * faster up to 150, but while a page loads little does.
 */
const SHORT_TEXT = 40;

/** UTF-16 units of a text beyond which it is cut. The memory of WebAssembly never shrinks: one huge text must not take it for good. */
const MAX_TEXT = 524_288;

/** How often the clocks are compared at most: after sleep, spans must not start in the past. */
const CLOCK_CHECK_MS = 250;

/** Order and number of `Loss` in delivery.rs. */
export const LOSSES: readonly Loss[] = ['queueFull', 'rejected', 'refused', 'expired', 'evicted', 'consent', 'noEndpoint', 'shutdown', 'rateLimited', 'filtered'];

/** Where the counts stand in `Counts` of delivery.rs. */
const ENDED = 0;
const QUEUED = 1;
const IN_FLIGHT = 2;
const DELIVERED = 3;
const UNACKNOWLEDGED = 4;
const RESENT = 5;
const STORED = 6;
const DROPPED = 7;
const OPEN = DROPPED + LOSSES.length;

/** Answers every call with -1: the core before it has started, and after it has trapped. */
const inert = new Proxy({}, { get: () => () => -1 }) as Exports;

export class Core {
  /** The WebAssembly, in hexadecimal digits. */
  static module: string;
  /** The exports of the module; inert until it runs. */
  x = inert;
  /** The core runs. */
  on = false;
  /** Starts it; undefined once that was done. */
  wake: (() => void) | undefined;
  /** What is more than one number, in either direction. */
  words = new Int32Array(16);
  /** The scratch area; empty while there is none. */
  bytes = new Uint8Array();
  notReady = 0;
  /** Spans of earlier pages, from the outbox: delivered, and lost. */
  recovered = 0;
  unrecovered = 0;
  /** Sees each span as it starts and before it ends, where the page has span processors. */
  processors: SpanProcessors | undefined;
  /** Is told of requests that got no answer, with `debug`. */
  failed: Tell | undefined;
  /** Does what the core wants done; the transport puts itself here. */
  pump: () => void = () => {};
  /** UTF-16 units of a text that are handed to the core at most. */
  maxText = MAX_TEXT;
  private counts = new Uint32Array(OPEN + 1);
  private wordsAt = 0;
  private countsAt = 0;
  private scratchBytes = SCRATCH_BYTES;
  private readonly kept = new Map<string, number>();
  private inJs = false;
  /** Not before the core runs; then at once. */
  private checkedMs = Infinity;
  // Not before they are needed: where there is no page there may be none of them.
  private encoder: TextEncoder | undefined;
  private decoder: TextDecoder | undefined;
  private memory: WebAssembly.Memory | undefined;

  /**
   * @param onTrap Told once, when the core has failed and is switched off.
   * @param onError Told of everything else that was thrown, for example by an attribute's getter.
   */
  constructor(
    private readonly onTrap: (error: unknown) => void,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Starts the core in WebAssembly, at once. Throws where that is not allowed. */
  start(): void {
    this.run(initSync(fromHex(Core.module)));
  }

  /** Goes on with these exports. */
  run(exports: Exports, inJs = false): void {
    this.wordsAt = exports.create_core(timeOriginMs);
    this.x = exports;
    this.memory = exports.memory;
    this.inJs = inJs;
    this.checkedMs = -Infinity;
    this.on = true;
    this.scratchBytes = SCRATCH_BYTES;
    this.look();
    this.countsAt = this.words[0];
  }

  /** The core runs. Whoever asks needs it now: where nothing has so far, it is started. */
  ready(): boolean {
    const { wake } = this;
    this.wake = undefined;
    wake?.();
    return this.on;
  }

  /** Whatever was thrown on the way into the core: a trap switches webspan off, anything else is told and over. Never throws. */
  caught(error: unknown): void {
    quietly(() => this.judge(error));
  }

  private judge(error: unknown): void {
    // A stack that overflows in the core leaves it as half-done as a trap. The core in JavaScript traps with a plain Error.
    const trapped =
      (globalThis.WebAssembly && error instanceof WebAssembly.RuntimeError) ||
      (error instanceof Error && (this.inJs ? /call stack|abort|unreachable/ : /call stack/).test(textOf(error)));
    if (this.on && trapped) {
      this.stop();
      this.onTrap(error);
    } else {
      this.onError(error);
    }
  }

  /** Nothing reaches the core any more. */
  stop(): void {
    this.on = false;
    this.x = inert;
    this.words = new Int32Array(16);
    this.bytes = new Uint8Array();
  }

  /** Milliseconds since the page's time origin. */
  now(): number {
    const now = pageMs();
    if (now - this.checkedMs >= CLOCK_CHECK_MS) {
      this.checkedMs = now;
      this.x.check_clocks(wallMs(), now);
    }
    return now;
  }

  /** Writes text into the scratch area from `at` on; its length in bytes. */
  text(text: string, at: number): number {
    if (!this.on) return 0;
    if (text.length > this.maxText) text = text.slice(0, this.maxText);
    const length = text.length;
    this.refresh();
    // UTF-8 needs three bytes at most for each unit of UTF-16.
    if (at + length * 3 > this.bytes.length) this.grow(at, at + length * 3);
    const bytes = this.bytes;
    let index = 0;
    // What is written before it turns out to be none of ASCII is written over below.
    if (length < SHORT_TEXT) while (index < length && (bytes[at + index] = text.charCodeAt(index)) < 128) index++;
    if (index === length) return length;
    return (this.encoder ??= new TextEncoder()).encodeInto(text, at ? bytes.subarray(at) : bytes).written;
  }

  /** Tells what the browser said, by its number in capture/facts.ts. What it did not say is nothing; of all spans, it is taken away. */
  fact(handle: number, fact: number, value: string | number | boolean | null | undefined): void {
    const { x } = this;
    if (typeof value === 'string') x.set_fact(handle, fact, TEXT, this.text(value, 0));
    else if (value != null) x.set_fact(handle, fact, typeof value === 'number' ? NUMBER : BOOL, +value);
    else if (handle === GLOBALS) x.set_fact(handle, fact, LIST, 0);
  }

  /**
   * As `text` at the beginning, for names and keys, which come again and again: they are copied once. What is negative stands elsewhere,
   * and takes no room.
   */
  name(name: string): number {
    let place = this.kept.get(name);
    if (!place) {
      place = this.x.keep_text(this.text(name, 0));
      if (place < -1) this.kept.set(name, place);
    }
    return place;
  }

  /** The text of `length` bytes that the core has put into the scratch area. */
  read(length: number): string {
    this.refresh();
    return this.on ? (this.decoder ??= new TextDecoder()).decode(this.bytes.subarray(0, length)) : '';
  }

  /** The bytes that the last effect is about, where the core has them: to be used at once, or copied. */
  body(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory!.buffer as ArrayBuffer, this.words[0], this.words[1]);
  }

  /** Also right after a trap: the counts are read from memory, without a call. */
  stats(): Stats {
    const counts = this.memory ? new Uint32Array(this.memory.buffer, this.countsAt, OPEN + 1) : this.counts;
    let failed = counts[ENDED] + counts[OPEN] - counts[DELIVERED] - counts[UNACKNOWLEDGED] - counts[STORED];
    const stats = {
      ended: counts[ENDED],
      queued: counts[QUEUED],
      inFlight: counts[IN_FLIGHT],
      delivered: counts[DELIVERED],
      unacknowledged: counts[UNACKNOWLEDGED],
      resent: counts[RESENT],
      stored: counts[STORED],
      recovered: this.recovered,
      unrecovered: this.unrecovered,
      dropped: { coreFailed: 0, notReady: this.notReady },
    } as Stats;
    LOSSES.forEach((loss, index) => (failed -= stats.dropped[loss] = counts[DROPPED + index]));
    if (this.memory && !this.on) {
      // Also spans that were open, since nothing sees them end; and what it was about to count when it failed.
      stats.ended += counts[OPEN];
      stats.queued = stats.inFlight = 0;
      stats.dropped.coreFailed = failed;
    }
    return stats;
  }

  /** Memory that has grown leaves the views behind: detached, or in JavaScript on the old buffer. */
  refresh(): void {
    if (this.bytes.length === 0 || (this.inJs && this.on && this.bytes.buffer !== this.memory!.buffer)) this.look();
  }

  private look(): void {
    if (!this.on) return;
    const { x, memory } = this;
    // First, as this may make the memory grow.
    const scratchAt = x.scratch_area(this.scratchBytes);
    this.words = new Int32Array(memory!.buffer, this.wordsAt, 16);
    this.bytes = new Uint8Array(memory!.buffer, scratchAt, this.scratchBytes);
  }

  private grow(keep: number, bytes: number): void {
    const kept = this.bytes.slice(0, keep);
    this.scratchBytes = bytes;
    this.look();
    this.bytes.set(kept);
  }
}

function fromHex(text: string): Uint8Array<ArrayBuffer> {
  const native = (Uint8Array as unknown as { fromHex?: (text: string) => Uint8Array<ArrayBuffer> }).fromHex;
  if (native) return native.call(Uint8Array, text);
  const bytes = new Uint8Array(text.length / 2);
  for (let index = 0; index < bytes.length; index++) bytes[index] = parseInt(text.substr(index * 2, 2), 16);
  return bytes;
}
