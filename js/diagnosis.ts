// What a request may have failed for, in words. Loaded only with `debug: true`, since no visitor reads it. Browsers give the same bare TypeError
// for a refused preflight, an error answer without CORS headers, an ad blocker, a Content Security Policy and a dead line: so this claims a cause
// only where the browser tells it, and else names all that there may be. Nothing is sent again just to find out.

import { startTimer } from './clock.js';

/** The event that tells of a blocked request may come after the failure. */
const PATIENCE_MS = 100;

/** Blocked URLs that are remembered. */
const MAX_BLOCKED = 100;

/** What browsers say when a request got no answer that the page may see; for what the page itself did wrong they say other things. */
const NO_ANSWER = /^(Failed to fetch|NetworkError|Load failed)/;

/**
 * `error`: what fetch threw; undefined where it was not fetch.
 * `headers`: what we have added to the request; with `traceparent` it is one of the page's, without an export. Where we have added none, it
 * cannot have failed for us.
 */
export type Tell = (url: string, error: unknown, headers: Iterable<[name: string, value: string]> | undefined) => void;

export interface Diagnosis {
  /** Is to be told of failures. Never throws. */
  readonly tell: Tell;
  stop(): void;
}

export function start(report: (message: string) => void): Diagnosis {
  const told = new Set<string>();
  const blocked = new Set<string>();
  const violated = ({ blockedURI, disposition, effectiveDirective }: SecurityPolicyViolationEvent) => {
    // One that is only reported blocks nothing.
    if (disposition === 'enforce' && effectiveDirective === 'connect-src' && blocked.size < MAX_BLOCKED) blocked.add(blockedURI);
  };
  // What was blocked before this has loaded is told with the rest of what there may be.
  document.addEventListener('securitypolicyviolation', violated);

  const explain: Tell = (url, error, headers) => {
    const added = [...(headers ?? [])];
    if (!added.length || (error !== undefined && !NO_ANSWER.test(String((error as Error | null)?.message)))) return;
    const target = new URL(url);
    target.hash = '';
    const isOffline = navigator.onLine === false;
    startTimer(() => {
      const isBlocked = blocked.has(target.href) || blocked.has(target.origin);
      const cause = isBlocked ? 'blocked' : isOffline ? 'offline' : 'unknown';
      const [, trace] = added.find(([name]) => name === 'traceparent')?.[1].split('-') ?? [];
      const key = `${cause} ${!trace} ${target.origin}`;
      if (told.has(key)) return;
      told.add(key);
      // Without the query, which may hold secrets.
      const what = `${trace ? 'a request' : 'an export'} to ${target.origin}${target.pathname}`;
      const names = added.map(([name]) => name);
      if (isBlocked) report(`${what} was blocked by the page's Content Security Policy: its connect-src has to allow ${target.origin}`);
      else if (isOffline) report(`${what} failed while the browser was offline (navigator.onLine is false)`);
      else report(`${what} got no answer that the page may see. Browsers do not say why; it is one of these:\n${causes(target, names, trace).map((line) => `- ${line}\n`).join('')}${trace ? '' : advice(target)}`.trim());
    }, PATIENCE_MS);
  };
  return {
    tell(...failure) {
      try {
        explain(...failure);
      } catch {
        // What the page has put in the place of built-ins; there is nothing to be said then.
      }
    },
    stop: () => document.removeEventListener('securitypolicyviolation', violated),
  };
}

/** All that there may be. `trace`: the id of its trace, where it is a request of the page's. */
function causes(url: URL, names: readonly string[], trace: string | undefined): string[] {
  const { origin } = globalThis;
  const list = (values: readonly string[]) => `[${values.map((value) => `'${value}'`).join(', ')}]`;
  const never = 'It never got there: wrong name, port or certificate, nobody listens, http: below an https: page, or an ad blocker or a Content Security Policy stopped it.';
  if (trace) {
    const header = names.join(', ');
    return url.origin === origin
      ? [`It was redirected to another origin, which does not allow ${header}: put its URL into noTraceHeaderUrls.`, never]
      : [
          `The server does not allow ${header}. Allow it, with Flask-CORS by CORS(app, origins=${list([origin])}, allow_headers=${list(['Content-Type', ...names])}), or take the URL out of propagateTraceHeaderCorsUrls.`,
          `The server answered with an error that has no CORS headers. Then its log or its spans know the trace ${trace}.`,
          never,
        ];
  }
  if (url.origin === origin) return ['It was redirected to another origin, which does not allow it.', never];
  const own = names.filter((name) => name !== 'content-type');
  return [
    `The collector does not allow it. The Collector's configuration, below receivers.otlp.protocols.http.cors, wants allowed_origins: ${list([origin])} and allowed_headers: ${list(['Content-Type', 'Content-Encoding', ...own])}.`,
    "The collector, or a proxy in front of it, answered with an error that has no CORS headers. Its status is in the browser's network panel.",
    never,
  ];
}

/** Who finds out which it is. */
const advice = ({ origin, pathname }: URL): string =>
  // It puts that path behind all others, as the option `endpoint` does.
  pathname.endsWith('/v1/traces') ? `To ask from outside the page: npx webspan doctor ${origin}${pathname} ${globalThis.origin}` : '';
