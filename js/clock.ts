// The clocks and timers of the browser, as they were when this was loaded: tests of the page that fake them do not fake ours.

interface Zoned {
  /** Where zone.js keeps the browser's own: with its wrapper, our timers would be waited for as the page's work. */
  __zone_symbol__setTimeout?: typeof setTimeout;
  __zone_symbol__clearTimeout?: typeof clearTimeout;
}
const zoned = globalThis as Zoned;
const { performance } = globalThis;
/** Not so where a page has a variable of this name. Its time is then told by events, and by the wall clock. */
const isOwn = performance?.timeOrigin > 0;

/** How long a page that is always busy keeps us waiting. */
const IDLE_CAP_MS = 1000;

const { now: wall, parse } = Date;
// Kept as functions of their own, since `performance` is a getter that costs 70 ns.
const elapsed = (isOwn && performance.now?.bind?.(performance)) || (() => wall() - timeOriginMs);

/** Unix milliseconds, as the wall clock has them. */
export const wallMs = (): number => wall();
/** Milliseconds since {@link timeOriginMs}. */
export const pageMs = (): number => elapsed();
/**
 * How many milliseconds a `Retry-After` header asks to wait: a number of seconds, or a date. NaN when it cannot be read. The date's eldest
 * form, which does not say so, is in GMT like the others. <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>
 */
export const retryAfterMs = (value: string): number =>
  /^\d+$/.test(value) ? +value * 1000 : Math.max(0, parse(value.replace(/( GMT)?$/, ' GMT')) - wall());
/** When the page's time began, in Unix milliseconds. */
export const timeOriginMs = isOwn ? performance.timeOrigin : wall() - (globalThis.Event ? new Event('').timeStamp : 0);

// Optional all of them: where there is no page there may be none, and importing this must do no harm.
export const startTimer = (zoned.__zone_symbol__setTimeout ?? globalThis.setTimeout)?.bind?.(globalThis) as (run: () => void, delayMs: number) => number;
export const stopTimer = (zoned.__zone_symbol__clearTimeout ?? globalThis.clearTimeout)?.bind?.(globalThis) as (timer: number | undefined) => void;

/** Waits for something, and no longer than this. */
export const within = <T>(wanted: T, limitMs: number): Promise<Awaited<T> | void> => Promise.race([wanted, new Promise<void>((late) => startTimer(late, limitMs))]);

const idle = (globalThis as Partial<typeof globalThis>).requestIdleCallback?.bind?.(globalThis);
/** Runs it when the page has nothing else to do, and soon in any case: perhaps twice. */
export const whenIdle = (run: () => void): void => {
  startTimer(run, idle ? IDLE_CAP_MS : 0);
  idle?.(run);
};
