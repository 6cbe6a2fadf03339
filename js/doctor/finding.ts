/** What a check has found out, and what to do about it. */

export type Verdict = 'ok' | 'warning' | 'problem';

export interface Finding {
  /** What was checked. */
  check: string;
  /** A problem keeps spans from arriving; with a warning they do, but not as well as they could. */
  verdict: Verdict;
  found: string;
  /** What to change; nothing where there is nothing to. */
  change?: string;
  /** Lines to copy, for the place that `change` names. */
  lines?: string[];
}

/** An answer to one request. Header names are in lower case, repeated headers joined by commas. */
export interface Answer {
  status: number;
  headers: Readonly<Record<string, string | undefined>>;
  body: Uint8Array;
  /** Who answered: an IP address. */
  address: string;
}

/** There was none. */
export interface Unanswered {
  /** As Node calls it, `ECONNREFUSED` for example. */
  code: string;
  message: string;
}

/** The page that sends. */
export interface Page {
  /** As browsers write it into the header `Origin`. */
  origin: string;
  /** It sends cookies along: `credentials: 'include'`. */
  withCredentials: boolean;
  /** Names of headers that it adds by the option `headers`. */
  headerNames: readonly string[];
}

export const ok = (check: string, found: string): Finding => ({ check, verdict: 'ok', found });

export const warning = (check: string, found: string, change: string, lines: string[] = []): Finding => ({
  ...{ check, verdict: 'warning', found, change },
  ...(lines.length > 0 && { lines }),
});

export const problem = (check: string, found: string, change: string, lines: string[] = []): Finding => ({
  ...warning(check, found, change, lines),
  verdict: 'problem',
});
