// Which requests get a span, and which of them may carry our headers.

/**
 * Which URLs an option is about, as in OpenTelemetry JS.
 *
 * A string is one URL, matched exactly after both were made absolute and normalised the way `fetch` does it: `'/health'` is a path of the
 * page's own origin, and `'https://api.example.com'` equals `https://api.example.com/` (the slash that every URL has; a slash behind a longer
 * path makes it another URL). A `RegExp` matches anywhere in the absolute URL, so anchor it: `/^https:\/\/api\.example\.com\//`.
 */
export type UrlPattern = string | RegExp;

/**
 * Which of our headers a request may carry: none, those in `corsTraceHeaders` (`'cors'`), or all (`'same-origin'`).
 */
export type Propagation = 'none' | 'cors' | 'same-origin';

/** The settings that decide about a request. All patterns come from {@link compilePattern}. */
export interface UrlSettings {
  readonly tracesUrl: string | null;
  readonly ignoreUrls: readonly UrlPattern[];
  readonly noTraceHeaderUrls: readonly UrlPattern[];
  readonly propagateTraceHeaderCorsUrls: readonly UrlPattern[];
}

/** What an environment variable that was not set leaves in a URL: as host, as last label of the host, as port or as path segment. */
export const UNSET_VARIABLE = /(^|[/.:])(undefined(?![\w-])|(null|NaN)([/:?#]|$))/;

/**
 * Prepares a pattern for {@link matches}, once: a string becomes an absolute URL, a `RegExp` a copy, since testing one with flag `g` or `y`
 * moves its `lastIndex`, which is the page's to see.
 *
 * @returns `null` for what was hardly meant: text that is empty or holds an unset variable, and an expression that matches the empty text and
 * with it every URL (`new RegExp(undefined)`), which would hand our headers to everybody.
 * @throws `TypeError` where a text is no URL.
 */
export function compilePattern(pattern: UrlPattern, pageHref: string): UrlPattern | null {
  if (typeof pattern === 'string') return pattern && !UNSET_VARIABLE.test(pattern) ? new URL(pattern, pageHref).href : null;
  const copy = new RegExp(pattern);
  return copy.test('') ? null : copy;
}

/** Whether one of the patterns, which come from {@link compilePattern}, matches the absolute URL `href`. Never throws. */
export function matches(patterns: readonly UrlPattern[], href: string): boolean {
  // Not `some`, whose function would be garbage with each request.
  for (let index = 0; index < patterns.length; index++) if (fits(patterns[index]!, href)) return true;
  return false;
}

function fits(pattern: UrlPattern, href: string): boolean {
  if (typeof pattern === 'string') return pattern === href;
  pattern.lastIndex = 0;
  try {
    return pattern.test(href);
  } catch {
    // A `data:` URL of some megabytes exhausts the stack of an expression that backtracks.
    return false;
  }
}

/** Whether a request gets no span at all. Our own export requests never do. `href`, here and below: as `URL.href` has it. */
export const isIgnored = (href: string, settings: UrlSettings): boolean => href === settings.tracesUrl || matches(settings.ignoreUrls, href);

/** Which of our headers a request that has a span may carry. `home`: the page's origin, and a slash. */
export function propagation(href: string, home: string, settings: UrlSettings): Propagation {
  if (!/^https?:/.test(href) || matches(settings.noTraceHeaderUrls, href)) return 'none';
  // Credentials, which XHR allows, belong to no origin.
  if (href.replace(/\/\/[^/@]*@/, '//').startsWith(home)) return 'same-origin';
  return matches(settings.propagateTraceHeaderCorsUrls, href) ? 'cors' : 'none';
}
