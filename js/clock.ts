// The clocks and timers of the browser, as they were when this was loaded: tests of the page that fake them do not fake ours.

interface Zoned {
  /** Where zone.js keeps the browser's own: with its wrapper, our timers would be waited for as the page's work. */
  __zone_symbol__setTimeout?: typeof setTimeout;
  __zone_symbol__clearTimeout?: typeof clearTimeout;
}
const zoned = globalThis as Zoned;
const performance = globalThis.performance as Performance | undefined;

const { now: wall } = Date;
// Kept as functions of their own, since `performance` is a getter that costs 70 ns.
const elapsed = performance?.now.bind(performance) ?? wall;

/** Unix milliseconds, as the wall clock has them. */
export const wallMs = (): number => wall();
/** Milliseconds since {@link timeOriginMs}. */
export const pageMs = (): number => elapsed();
/** When the page's time began, in Unix milliseconds. */
export const timeOriginMs = performance?.timeOrigin ?? 0;

// Optional all of them: where there is no page there may be none, and importing this must do no harm.
export const startTimer = (zoned.__zone_symbol__setTimeout ?? globalThis.setTimeout)?.bind(globalThis) as (run: () => void, delayMs: number) => number;
export const stopTimer = (zoned.__zone_symbol__clearTimeout ?? globalThis.clearTimeout)?.bind(globalThis) as (timer: number | undefined) => void;
