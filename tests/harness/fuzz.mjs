// What the fuzz tests share: numbers that are the same in every run with the same seed, and how long they run.

/** Seconds that a fuzz test runs. Half a minute at most in `npm test`; longer by WEBSPAN_FUZZ_SECONDS. */
export const fuzzSeconds = (usual) => Number(process.env.WEBSPAN_FUZZ_SECONDS ?? usual);

/** The first seed. What fails names its own: with that in WEBSPAN_FUZZ_SEED it is the first to be run. */
export const firstSeed = Number(process.env.WEBSPAN_FUZZ_SEED ?? 1);

/**
 * A source of random whole numbers from 0 to `below`, which is not included. Mulberry32; pages get it as text, so it stands alone.
 *
 * @param {number} seed
 * @returns {(below: number) => number}
 */
export function randomFrom(seed) {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
