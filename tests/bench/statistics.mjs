/** The value below which this share of the samples lies, interpolated. */
export function quantile(samples, share) {
  const sorted = [...samples].sort((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(position)], sorted[Math.ceil(position)]];
  return below + (above - below) * (position % 1);
}

export const median = (samples) => quantile(samples, 0.5);
