/** What an answer allows a page of another origin, by the rules of https://fetch.spec.whatwg.org/#http-cors-protocol. */
import { allowedHeaders, allowedOrigins, exposedHeaders, flaskCors, IN_THE_COLLECTOR, maxAge, MAX_AGE_SECONDS } from './advice.js';
import { ok, problem, warning, type Answer, type Finding, type Page, type Verdict } from './finding.js';

/** What browsers remember a preflight for when they are not told. */
const DEFAULT_MAX_AGE_SECONDS = 5;

/** The headers of a preflight for a POST with these headers. */
export function preflightHeaders({ origin }: Page, method: string, names: readonly string[]): Record<string, string> {
  // Sorted and in lower case, as browsers do it; the Collector takes no others.
  const asked = names.map((name) => name.toLowerCase()).sort().join(',');
  return { origin, 'access-control-request-method': method, ...(asked && { 'access-control-request-headers': asked }) };
}

/** Why the page does not get to see this answer; undefined when it does. */
export function whyHidden({ headers }: Answer, { origin, withCredentials }: Page): string | undefined {
  const allowed = headers['access-control-allow-origin'];
  if (allowed === undefined) return 'it has no Access-Control-Allow-Origin';
  if (allowed !== origin && (allowed !== '*' || withCredentials)) {
    if (allowed === '*') return 'Access-Control-Allow-Origin is *, which browsers do not take together with cookies';
    if (allowed.includes(',')) return `Access-Control-Allow-Origin is there twice (${allowed}): two on the way add it, where one must`;
    return `Access-Control-Allow-Origin is ${allowed}, not ${origin}`;
  }
  if (withCredentials && headers['access-control-allow-credentials'] !== 'true') return 'it has no Access-Control-Allow-Credentials: true';
  return undefined;
}

/** The values of a header that is a list, in lower case. */
const listed = ({ headers }: Answer, name: string): string[] =>
  (headers[name] ?? '').split(',').map((value) => value.trim().toLowerCase()).filter(Boolean);

/** Whether the answer to a preflight lets a header pass. */
export function allowsHeader(answer: Answer, { withCredentials }: Page, name: string): boolean {
  const allowed = listed(answer, 'access-control-allow-headers');
  // The star does not stand for this one: https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name
  const isCovered = !withCredentials && name.toLowerCase() !== 'authorization' && allowed.includes('*');
  return isCovered || allowed.includes(name.toLowerCase());
}

/** A preflight that names no header: is the origin allowed? */
export function judgeOrigin(answer: Answer, page: Page): Finding {
  const check = 'origin allowed';
  const { status, headers } = answer;
  const line = [allowedOrigins(page)];
  if (status >= 300 && status < 400) {
    return problem(
      check,
      `The preflight is redirected (HTTP ${status}) to ${headers['location'] ?? 'nowhere'}; browsers follow no redirect there.`,
      'Give webspan the URL that it leads to.',
    );
  }
  if (status === 401 || status === 403) {
    return problem(
      check,
      `The preflight is refused (HTTP ${status}). Browsers send neither keys nor cookies with it.`,
      'What stands in front of the collector has to let OPTIONS through without a key.',
    );
  }
  if (status === 404) {
    return problem(check, 'The preflight is answered with HTTP 404: there is nothing at this path.', 'Correct the path: the Collector has /v1/traces, unless its traces_url_path says otherwise.');
  }
  if (status < 200 || status > 299) {
    return problem(check, `The preflight is answered with HTTP ${status}: this server knows no CORS here.`, IN_THE_COLLECTOR, line);
  }
  const hidden = whyHidden(answer, page);
  if (hidden === undefined) return ok(check, `Access-Control-Allow-Origin: ${headers['access-control-allow-origin']}`);
  return problem(check, `The answer to the preflight does not allow ${page.origin}: ${hidden}.`, IN_THE_COLLECTOR, line);
}

/** A preflight that names a header, where the origin is allowed. `verdict`: how bad it is if the header does not pass. */
export function judgeHeader(answer: Answer, page: Page, name: string, verdict: Exclude<Verdict, 'ok'>): Finding {
  const check = `header ${name.toLowerCase()} allowed`;
  const isRefused = answer.status < 200 || answer.status > 299 || whyHidden(answer, page) !== undefined;
  if (!isRefused && allowsHeader(answer, page, name)) return ok(check, `Access-Control-Allow-Headers: ${answer.headers['access-control-allow-headers']}`);
  const what =
    name.toLowerCase() === 'content-encoding' ? 'Compressed exports are refused: without this header the preflight passes, with it it does not.'
    : name.toLowerCase() === 'content-type' ? 'Every export is refused: without this header the preflight passes, with it it does not. What allowed_headers names replaces the default, so both names are needed.'
    : 'Exports with this header are refused: without it the preflight passes, with it it does not.';
  return { ...problem(check, what, IN_THE_COLLECTOR, [allowedHeaders(page)]), verdict };
}

/** How long browsers may remember the answer to a preflight. */
export function judgeMaxAge({ headers }: Answer): Finding {
  const check = 'preflight remembered';
  const given = headers['access-control-max-age'];
  const seconds = given === undefined ? DEFAULT_MAX_AGE_SECONDS : Number(given);
  // Exports are 5 seconds apart by default, and often further.
  if (seconds >= 60) return ok(check, `for ${seconds} s${seconds > MAX_AGE_SECONDS ? `, in Chromium for ${MAX_AGE_SECONDS} s` : ''}`);
  const found = given === undefined ? `for ${DEFAULT_MAX_AGE_SECONDS} s only, as Access-Control-Max-Age is missing` : `not for long: Access-Control-Max-Age is ${given}`;
  return warning(check, `${found}. Nearly every export costs a second round trip.`, IN_THE_COLLECTOR, [maxAge]);
}

/** Whether cookies could be sent along. */
export function judgeCredentials({ headers }: Answer, { withCredentials }: Page): Finding {
  const check = 'credentials';
  const allowed = headers['access-control-allow-credentials'];
  // Whether they are allowed to a page that sends them, `whyHidden` has told.
  if (withCredentials) return ok(check, 'cookies may be sent');
  if (allowed === 'true' && headers['access-control-allow-origin'] === '*') {
    return warning(check, 'Access-Control-Allow-Credentials stands beside the origin *, which browsers do not take together.', 'Name the origins, or take it out: webspan sends no cookies to other origins unless it is told to.');
  }
  return ok(check, allowed === 'true' ? "allowed; webspan sends none unless `credentials: 'include'`" : 'not allowed, and by default not sent');
}

/** Whether the page can read how long it shall wait. */
export function judgeExposed(answer: Answer, { withCredentials }: Page): Finding {
  const check = 'Retry-After readable';
  const exposed = listed(answer, 'access-control-expose-headers');
  if (exposed.includes('retry-after') || (!withCredentials && exposed.includes('*'))) return ok(check, `Access-Control-Expose-Headers: ${exposed.join(', ')}`);
  return warning(check, 'The page cannot read Retry-After, and waits for as long as it thinks best.', IN_THE_COLLECTOR, [exposedHeaders]);
}

/** A preflight of a backend's, for a request that carries `traceparent`. */
export function judgeBackend(answer: Answer, page: Page, url: URL): Finding {
  const check = `traceparent allowed by ${url.host}`;
  const isRefused = answer.status < 200 || answer.status > 299 || whyHidden(answer, page) !== undefined;
  if (!isRefused && allowsHeader(answer, page, 'traceparent')) return ok(check, `Access-Control-Allow-Headers: ${answer.headers['access-control-allow-headers']}`);
  const found = `A preflight for traceparent is refused (HTTP ${answer.status}): with that header the page's own requests to ${url.origin} fail.`;
  return problem(check, found, 'Keep the URL out of propagateTraceHeaderCorsUrls, or allow the header. With Flask-CORS:', [flaskCors(page)]);
}
