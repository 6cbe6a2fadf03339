/** Which questions are asked, in which order. What the answers mean, the files beside this one decide. */
import { gzipSync } from 'node:zlib';
import type { Ask } from './ask.js';
import { judgeConnection, judgeUnanswered } from './connection.js';
import { judgeBackend, judgeCredentials, judgeExposed, judgeHeader, judgeMaxAge, judgeOrigin, preflightHeaders } from './cors.js';
import { GARBAGE, JSON_EXPORT, JSON_TYPE, judgeErrorAnswer, judgeExport, PROTOBUF, PROTOBUF_EXPORT } from './exports.js';
import { ok, type Answer, type Finding, type Page } from './finding.js';
import { judgeHoneycombKey } from './honeycomb.js';

/** Statuses of exports that may pass in another encoding. */
const OF_THE_ENCODING = [400, 415, 422, 500];

/** What preflights have said about exports of the page. */
type Leave = 'not needed' | 'given' | 'refused';

export interface Examination {
  /** Where webspan would send to. */
  tracesUrl: URL;
  page: Page;
  /** What the page adds to exports by the option `headers`, where the values are known. */
  headers: Record<string, string>;
  /** Where requests of the page carry `traceparent` to. */
  backends: readonly URL[];
  honeycomb: { key: string; api: URL } | undefined;
}

/** Asks, and tells each finding as soon as it is there. */
export async function* examine(examination: Examination, ask: Ask): AsyncGenerator<Finding, void> {
  yield* examineCollector(examination, ask);
  const { page, backends, honeycomb } = examination;
  for (const url of backends) yield await examineBackend(url, page, ask);
  if (honeycomb) {
    const url = new URL('/1/auth', honeycomb.api);
    const answer = await ask(url, { method: 'GET', headers: { 'x-honeycomb-team': honeycomb.key } });
    yield 'code' in answer ? judgeUnanswered('Honeycomb key', url, answer) : judgeHoneycombKey(answer);
  }
}

async function* examineCollector({ tracesUrl, page, headers }: Examination, ask: Ask): AsyncGenerator<Finding, void> {
  const crossOrigin = tracesUrl.origin !== page.origin;
  const preflight = (names: readonly string[]) => ask(tracesUrl, { method: 'OPTIONS', headers: preflightHeaders(page, 'POST', names) });

  const first = await preflight([]);
  if ('code' in first) {
    yield judgeUnanswered('reachable', tracesUrl, first);
    const connection = judgeConnection(tracesUrl, page);
    if (crossOrigin && connection.verdict !== 'ok') yield connection;
    return;
  }
  yield ok('reachable', `${tracesUrl.host} answers${first.address && !tracesUrl.host.includes(first.address) ? ` (${first.address})` : ''}`);
  let leave: Leave = 'not needed';
  if (crossOrigin) {
    yield judgeConnection(tracesUrl, page, first.address);
    leave = 'given';
    for await (const finding of examineCors(first, page, preflight, tracesUrl)) {
      yield finding;
      if (finding.verdict === 'problem') leave = 'refused';
    }
  } else {
    yield ok('origin allowed', "the collector is on the page's own origin, which needs nobody's leave");
  }
  yield* examineExports(tracesUrl, page, headers, leave, ask);
}

async function* examineExports(url: URL, page: Page, headers: Record<string, string>, leave: Leave, ask: Ask): AsyncGenerator<Finding, void> {
  // Where the preflight is refused, no page gets as far as to an answer; that the collector takes it is told all the same.
  const guarded = leave === 'given';
  const post = (type: string, body: Uint8Array, more: Record<string, string> = {}) =>
    ask(url, { method: 'POST', headers: { ...headers, origin: page.origin, 'content-type': type, ...more }, body });
  const usual = await post(PROTOBUF, PROTOBUF_EXPORT);
  const protobuf = 'export as protobuf';
  if ('code' in usual) return yield judgeUnanswered(protobuf, url, usual);
  const finding = judgeExport({ check: protobuf, verdict: 'problem' }, usual, page, guarded);
  yield finding;
  // What is wrong with the path or the key is wrong for all.
  if (finding.verdict === 'problem' && !OF_THE_ENCODING.includes(usual.status)) return;
  const others: [check: string, send: () => ReturnType<Ask>][] = [
    ['export as JSON', () => post(JSON_TYPE, JSON_EXPORT)],
    ['export compressed', () => post(PROTOBUF, gzipSync(PROTOBUF_EXPORT), { 'content-encoding': 'gzip' })],
  ];
  for (const [check, send] of others) {
    const answer = await send();
    yield 'code' in answer ? judgeUnanswered(check, url, answer) : judgeExport({ check, verdict: 'warning' }, answer, page, guarded);
  }
  if (leave === 'refused') return;
  if (guarded) yield judgeExposed(usual, page);
  const refused = await post(PROTOBUF, GARBAGE);
  yield 'code' in refused ? judgeUnanswered('errors readable', url, refused) : judgeErrorAnswer(refused, page, guarded);
}

async function* examineCors(bare: Answer, page: Page, preflight: (names: readonly string[]) => ReturnType<Ask>, url: URL): AsyncGenerator<Finding, void> {
  const origin = judgeOrigin(bare, page);
  yield origin;
  // With the origin refused, nothing can be seen of the headers.
  if (origin.verdict !== 'ok') return;
  let usual: Answer | undefined;
  const asked = ['content-type', 'content-encoding', ...page.headerNames];
  for (const name of asked) {
    const answer = await preflight(name === 'content-type' ? [name] : ['content-type', name]);
    if ('code' in answer) {
      yield judgeUnanswered(`header ${name.toLowerCase()} allowed`, url, answer);
      continue;
    }
    const finding = judgeHeader(answer, page, name, name === 'content-encoding' ? 'warning' : 'problem');
    yield finding;
    // Where content-type is refused, the others are because of it.
    if (name === 'content-type' && finding.verdict !== 'ok') return;
    usual ??= answer;
  }
  if (!usual) return;
  yield judgeMaxAge(usual);
  yield judgeCredentials(usual, page);
}

async function examineBackend(url: URL, page: Page, ask: Ask): Promise<Finding> {
  const check = `traceparent allowed by ${url.host}`;
  if (url.origin === page.origin) return ok(check, "it is the page's own origin, which needs nobody's leave");
  const answer = await ask(url, { method: 'OPTIONS', headers: preflightHeaders(page, 'GET', ['traceparent']) });
  return 'code' in answer ? judgeUnanswered(check, url, answer) : judgeBackend(answer, page, url);
}
