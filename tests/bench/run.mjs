// `npm run bench [-- name …] [--json FILE] [--report-only]`
//
// Every benchmark in rows/ measures variants of one page in a real Chromium, in turn and round by round: both SDKs, and one of them
// twice under two names, whose difference is the noise. Ends with 1 when a row misses its limit.

import { readdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bundlePages } from './bundles.mjs';
import { withLab } from './lab.mjs';
import { median, quantile } from './statistics.mjs';

/**
 * @typedef {object} Benchmark
 * @property {number} rounds
 * @property {import('./lab.mjs').LabOptions} [lab]
 * @property {Record<string, { sdk: import('./bundles.mjs').Sdk, options?: object }>} variants by name; 'webspan' is what limits are about
 * @property {(page: import('./lab.mjs').BenchPage) => Promise<Record<string, number> & { notes?: string[] }>} measure a fresh page
 * @property {Record<string, { row: string, unit: string, limit?: import('./limits.mjs').Limit }>} figures what `measure` gives
 */

const JUDGED = 'webspan';

/** All variants in turn, in an order that changes from round to round. */
async function sample(benchmark, bundles) {
  const variants = Object.entries(benchmark.variants).map(([name, variant]) => ({ name, ...variant }));
  /** @type {Record<string, import('./limits.mjs').Samples>} by figure */
  const samples = {};
  const notes = [];
  await withLab(bundles, benchmark.lab ?? {}, async (lab) => {
    for (let round = 0; round < benchmark.rounds; round++) {
      const order = variants.map((_, index) => variants[(index + round) % variants.length]);
      for (const variant of round % 2 ? order.reverse() : order) {
        const page = await lab.openPage(variant);
        const { notes: told = [], ...measured } = await benchmark.measure(page);
        await page.close();
        notes.push(...told.map((note) => `${variant.name}: ${note}`));
        for (const [figure, value] of Object.entries(measured)) ((samples[figure] ??= {})[variant.name] ??= []).push(value);
      }
    }
  });
  return { samples, notes };
}

/** The table of one figure; the figures for --json. */
function report({ row, unit, limit }, samples) {
  const verdict = limit?.judge?.(samples, JUDGED);
  const mark = verdict ? (verdict.holds ? 'holds' : 'MISSED') : 'no limit';
  console.log(`\n${row}\n  ${unit}; ${mark}${verdict ? `: ${verdict.wanted}` : ''}`);
  const line = (name, columns) => console.log(`  ${name.padEnd(28)}${columns.map((column, index) => column.padStart(index % 2 ? 20 : 10)).join('')}`);
  line('', ['median', 'quartiles', ...(limit?.ratios ? ['ratio', 'quartiles'] : [])]);
  const variants = Object.entries(samples).map(([name, values]) => {
    const figures = { name, samples: values, median: median(values), quartiles: quartiles(values) };
    if (limit?.ratios) Object.assign(figures, { ratio: limit.ratio(samples, name), ratioQuartiles: quartiles(limit.ratios(samples, name)) });
    const ratio = figures.ratioQuartiles ? [show(figures.ratio), figures.ratioQuartiles.map(show).join(' – ')] : [];
    line(name, [show(figures.median), figures.quartiles.map(show).join(' – '), ...ratio]);
    return figures;
  });
  return { row, unit, wanted: verdict?.wanted, holds: verdict?.holds, variants };
}

const quartiles = (values) => [quantile(values, 0.25), quantile(values, 0.75)];

/** Three digits are more than the noise leaves. */
const show = (value) => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3))));

async function main() {
  const { values: flags, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'string' }, 'report-only': { type: 'boolean', default: false } },
  });
  const known = readdirSync(new URL('rows', import.meta.url)).map((file) => file.replace(/\.mjs$/, ''));
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`there is no benchmark ${unknown.join(', ')}; there are ${known.join(', ')}`);

  const bundles = await bundlePages();
  const figures = [];
  let missed = 0;
  for (const name of positionals.length > 0 ? positionals : known) {
    const startedMs = performance.now();
    const { default: benchmark } = await import(`./rows/${name}.mjs`);
    try {
      const { samples, notes } = await sample(benchmark, bundles);
      for (const [figure, values] of Object.entries(samples)) figures.push({ benchmark: name, ...report(benchmark.figures[figure], values) });
      for (const note of notes) console.log(`  ${note}`);
    } catch (error) {
      // One that could not be measured has missed; the others are still worth knowing.
      missed++;
      console.log(`\n${name} FAILED: ${error.stack}`);
    }
    console.log(`  (${name}: ${benchmark.rounds} rounds, ${((performance.now() - startedMs) / 1000).toFixed(0)} s)`);
  }
  missed += figures.filter(({ holds }) => holds === false).length;
  console.log(missed > 0 ? `\n${missed} missed` : '\nall hold');
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(figures, null, 2)}\n`);
  process.exitCode = missed > 0 && !flags['report-only'] ? 1 : 0;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 2;
}
