/** Findings, to be read in a terminal. */
import { printable } from '../viewer/terminal.js';
import { collectorCors, IN_THE_COLLECTOR } from './advice.js';
import type { Finding, Page, Verdict } from './finding.js';

const COLUMNS = 100;
const INDENT = ' '.repeat(9);

/** Green, yellow, red. Not by `styleText`, which looks at the terminal itself in some versions of Node 20 and not in others. */
const COLOURS: Record<Verdict, number> = { ok: 32, warning: 33, problem: 31 };

/** One finding. */
export function describe({ check, verdict, found, change, lines = [] }: Finding, coloured: boolean): string {
  const label = verdict.padEnd(INDENT.length);
  const head = wrap(`${check}: ${found}`).join(`\n${INDENT}`);
  const advice = change === undefined ? [] : wrap(`-> ${change}`).map((line, index) => INDENT + (index ? '   ' : '') + line);
  return `${[(coloured ? `\x1b[${COLOURS[verdict]}m${label}\x1b[39m` : label) + head, ...advice, ...lines.map((line) => `${INDENT}       ${printable(line)}`)].join('\n')}\n`;
}

/** How many of each, and what the Collector's CORS shall be, in one piece. */
export function summarise(findings: readonly Finding[], page: Page): string {
  const count = (verdict: Verdict) => findings.filter((finding) => finding.verdict === verdict).length;
  const plural = (number: number, noun: string) => `${number} ${noun}${number === 1 ? '' : 's'}`;
  const isLacking = findings.some(({ change }) => change === IN_THE_COLLECTOR);
  const whole = isLacking ? `\nAll that is wanted there, as it stands in the Collector's configuration:\n\n${collectorCors(page).map((line) => `    ${line}`).join('\n')}\n` : '';
  return `${whole}\n${plural(count('problem'), 'problem')}, ${plural(count('warning'), 'warning')}, ${count('ok')} ok\n`;
}

/** Lines that leave room for the indent. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of printable(text).split(' ')) {
    const last = lines.at(-1);
    // Three more for the lines below an arrow.
    if (last !== undefined && last.length + 1 + word.length <= COLUMNS - INDENT.length - 3) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
