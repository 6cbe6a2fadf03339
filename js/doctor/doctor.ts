/** `webspan doctor`. */
import { parseArgs } from 'node:util';
import { UNSET_VARIABLE } from '../urls.js';
import { UsageError, type Command } from '../viewer/command.js';
import { redact, withoutSecrets } from '../viewer/redaction.js';
import { printable, writeLine } from '../viewer/terminal.js';
import { ask } from './ask.js';
import { tracesUrl } from './connection.js';
import { examine, type Examination } from './examine.js';
import type { Finding } from './finding.js';
import { HONEYCOMB_API } from './honeycomb.js';
import { describe, summarise } from './report.js';
import { Secrets } from './secrets.js';

/** As much of a finding is shown: it may repeat a header of a server's, or a message. */
const MAX_FOUND_CHARS = 1000;

export const doctor: Command = {
  summary: 'says why exports of your page do not arrive at your collector, and what to change',
  help: `Asks a collector what a browser would ask it for a page, and says what is wrong and which line to change.
It sends exports without spans, so nothing shows up in your backend.

Usage: webspan doctor <collector-url> <origin> [options]

  <collector-url>       what you give webspan as \`endpoint\`: https://otel.example.com
  <origin>              of the page, as in the address bar: https://shop.example.com

Options:
  --header <header>     one that the page adds by the option \`headers\`: NAME, or 'NAME: VALUE' to send it too;
                        may be given more than once. Values are not printed.
  --credentials         the page sends cookies: \`credentials: 'include'\`
  --backend <url>       where the page's requests carry traceparent to; may be given more than once
  --honeycomb <key>     also asks Honeycomb which team and environment the key belongs to, and what it may
  --honeycomb-api <url> where to ask (default ${HONEYCOMB_API})
  --json                findings as JSON
  -h, --help            this text

Exit code: 0 without a problem (there may be warnings), 1 with problems, 2 when it was called wrongly.
`,
  async run(argv) {
    const { examination, json } = readArguments(argv);
    const { tracesUrl: url, page } = examination;
    const { stdout } = process;
    const coloured = stdout.isTTY && stdout.hasColors();
    const secrets = secretsOf(examination);
    const shownUrl = printable(secrets.url(url));
    const findings: Finding[] = [];
    if (!json) for (const line of [`exports go to  ${shownUrl}`, `from pages of  ${page.origin}`, '']) writeLine(stdout, line, Infinity);
    for await (const found of examine(examination, ask)) {
      const finding = presentable(found, secrets);
      findings.push(finding);
      if (!json) stdout.write(describe(finding, coloured));
    }
    if (json) stdout.write(`${JSON.stringify({ tracesUrl: shownUrl, origin: page.origin, findings }, null, 2)}\n`);
    else stdout.write(summarise(findings, page));
    return findings.some(({ verdict }) => verdict === 'problem') ? 1 : 0;
  },
};

/** A finding as everybody may read it: in a terminal, in the log of a build, in a question to others. */
function presentable({ check, verdict, found, change, lines }: Finding, secrets: Secrets): Finding {
  // First hidden, then cut: half a key is known to nobody.
  const shown = (text: string, maxChars?: number) => printable(secrets.hide(text), maxChars);
  return {
    ...{ check: shown(check), verdict, found: shown(found, MAX_FOUND_CHARS) },
    ...(change !== undefined && { change: shown(change) }),
    ...(lines !== undefined && { lines: lines.map((line) => shown(line)) }),
  };
}

function secretsOf({ tracesUrl, headers, backends, honeycomb }: Examination): Secrets {
  const secrets = new Secrets(redact);
  for (const value of [...Object.values(headers), ...(honeycomb ? [honeycomb.key] : [])]) secrets.add(value);
  for (const url of [tracesUrl, ...backends, ...(honeycomb ? [honeycomb.api] : [])]) secrets.addQuery(url);
  return secrets;
}

function readArguments(argv: string[]): { examination: Examination; json: boolean } {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      header: { type: 'string', multiple: true, default: [] },
      backend: { type: 'string', multiple: true, default: [] },
      credentials: { type: 'boolean', default: false },
      honeycomb: { type: 'string' },
      'honeycomb-api': { type: 'string', default: HONEYCOMB_API },
      json: { type: 'boolean', default: false },
    },
  });
  const [collector, origin] = positionals;
  if (collector === undefined || origin === undefined || positionals.length > 2) {
    throw new UsageError(`${positionals.length} arguments were given, wanted two: <collector-url> <origin>`);
  }
  const pageOrigin = readOrigin(origin);
  const headers: Record<string, string> = {};
  const headerNames = values.header.map((given) => {
    const [, name, value] = /^([\w!#$%&'*+.^`|~-]+)(?::\s*([\t\x20-\x7e]*))?$/.exec(given) ?? [];
    // Not what was given: it may be a secret.
    if (name === undefined) throw new UsageError("--header is not a header, wanted NAME or 'NAME: VALUE'");
    if (value !== undefined) headers[name] = value;
    return name;
  });
  return {
    examination: {
      tracesUrl: tracesUrl(readEndpoint(collector)),
      page: { origin: pageOrigin, withCredentials: values.credentials, headerNames },
      headers,
      backends: values.backend.map((url) => readUrl('--backend', url)),
      honeycomb: values.honeycomb === undefined ? undefined : { key: readKey('--honeycomb', values.honeycomb), api: readUrl('--honeycomb-api', values['honeycomb-api']) },
    },
    json: values.json,
  };
}

function readEndpoint(given: string): URL {
  const url = readUrl('<collector-url>', given);
  if (UNSET_VARIABLE.test(given)) throw new UsageError(`<collector-url> is "${withoutSecrets(given)}", wanted a URL; an environment variable was probably not set`);
  return url;
}

function readOrigin(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  // The slash is what address bars add.
  if (url && /^https?:$/.test(url.protocol) && [url.origin, `${url.origin}/`].includes(given.toLowerCase())) return url.origin;
  const nearest = url && /^https?:$/.test(url.protocol) ? url.origin : 'https://shop.example.com';
  throw new UsageError(`<origin> is "${withoutSecrets(given)}", wanted scheme, host and port of the page and nothing else, as in ${nearest}`);
}

function readUrl(name: string, given: string): URL {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url && /^https?:\/\//i.test(given) && !url.username && !url.password) return url;
  throw new UsageError(`${name} is "${withoutSecrets(given)}", wanted a URL with http: or https: and without credentials`);
}

/** A key that can be sent as a header. */
function readKey(name: string, given: string): string {
  if (/^[\x21-\x7e]+$/.test(given)) return given;
  // Not what was given: most of it is the key.
  throw new UsageError(`${name} is not a key, wanted letters, digits and signs of ASCII and no blank`);
}
