// The kinds of limits. Time is only ever compared within a run: a limit in milliseconds would measure the machine.

import { median } from './statistics.mjs';

/**
 * What each variant measured, round by round: the same index is the same round.
 * @typedef {Record<string, number[]>} Samples
 *
 * @typedef {object} Verdict
 * @property {boolean} holds
 * @property {string} wanted in words
 *
 * @typedef {object} Limit
 * @property {(samples: Samples, variant: string) => number} [ratio] to what it is compared with
 * @property {(samples: Samples, variant: string) => number[]} [ratios] the same of each round
 * @property {(samples: Samples, variant: string) => Verdict} [judge]
 */

/**
 * The share of what `reference` takes, by the medians, and no limit.
 * @param {string} [options.above] counts for both only what is above this variant
 * @returns {Limit}
 */
export function shareOf(reference, { above } = {}) {
  const ratios = (samples, variant) =>
    samples[variant].map((value, round) => {
      const base = above ? samples[above][round] : 0;
      return (value - base) / (samples[reference][round] - base);
    });
  // Not the median of the ratios: where little is left above a base, one round's noise can be a multiple of it.
  const ratio = (samples, variant) => {
    const base = above ? median(samples[above]) : 0;
    return (median(samples[variant]) - base) / (median(samples[reference]) - base);
  };
  return { ratio, ratios };
}

/** At most this share of what `reference` takes. @returns {Limit} */
export function ratioTo(reference, atMost, options) {
  const share = shareOf(reference, options);
  return { ...share, judge: (samples, variant) => ({ holds: share.ratio(samples, variant) <= atMost, wanted: `ratio at most ${atMost}` }) };
}

/** At most so much, in the median. For bytes and counts. @returns {Limit} */
export function atMost(value, { above } = {}) {
  const less = (samples, variant) => median(samples[variant].map((sample, round) => sample - (above ? samples[above][round] : 0)));
  return { judge: (samples, variant) => ({ holds: less(samples, variant) <= value, wanted: `at most ${value}${above ? ` above "${above}"` : ''}` }) };
}

/** All of them and none twice, in every round. @returns {Limit} */
export function all(count) {
  return { judge: (samples, variant) => ({ holds: samples[variant].every((value) => value === count), wanted: `all ${count}` }) };
}

/**
 * Not more above `reference` than the same page is above itself, when it is measured twice as `reference` and as `twin`: the median
 * difference is at most twice the usual one of the two, which is noise. `visible` is a variant known to be above it; when even
 * that one drowns in the noise, nothing is proven and the row does not hold.
 * @returns {Limit}
 */
export function notAboveNoise(reference, twin, visible) {
  const above = (samples, variant) => samples[variant].map((value, round) => value - samples[reference][round]);
  return {
    judge: (samples, variant) => {
      const noise = 2 * median(above(samples, twin).map(Math.abs));
      if (median(above(samples, visible)) <= noise) {
        return { holds: false, wanted: `"${visible}" above the noise of ${noise.toPrecision(3)}, or the measurement proves nothing` };
      }
      return { holds: median(above(samples, variant)) <= noise, wanted: `at most ${noise.toPrecision(3)} (noise) above "${reference}"` };
    },
  };
}
