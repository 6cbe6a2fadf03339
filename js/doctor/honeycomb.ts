/** Which team and environment a Honeycomb key belongs to, and what it may: https://api-docs.honeycomb.io/api/auth */
import { ok, problem, warning, type Answer, type Finding } from './finding.js';

export const HONEYCOMB_API = 'https://api.honeycomb.io';

/** What ingest keys may. */
const INGEST = ['events', 'createDatasets'];

/** Nothing is certain of what somebody else's server answers. */
interface Authorizations {
  team?: { name?: unknown; slug?: unknown };
  environment?: { name?: unknown; slug?: unknown };
  api_key_access?: Record<string, unknown> | null;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

export function judgeHoneycombKey({ status, body }: Answer): Finding {
  const check = 'Honeycomb key';
  if (status === 401) {
    return problem(check, 'Honeycomb does not know this key (HTTP 401).', 'Copy it again. A key of the EU region is known at --honeycomb-api https://api.eu1.honeycomb.io only.');
  }
  const told = status === 200 ? parse(body) : undefined;
  if (!told) return warning(check, `Honeycomb did not tell about this key (HTTP ${status}).`, 'Ask again later, or look at --honeycomb-api.');
  const { team, environment } = told;
  const access = told.api_key_access ?? {};
  const place = `team ${text(team?.name) || text(team?.slug) || '(without a name)'}, ${text(environment?.name) ? `environment ${text(environment?.name)}` : 'Honeycomb Classic'}`;
  if (access['events'] !== true) return problem(check, `${place}: it may not send events.`, 'Make an ingest key for this environment.');
  const more = Object.keys(access).filter((name) => access[name] && !INGEST.includes(name));
  if (more.length === 0) return ok(check, `${place}; it may only send`);
  return warning(
    check,
    `${place}. It may do more than send: ${more.join(', ')}. Everybody who opens the page can read a key that it sends.`,
    'Make an ingest key for the page, or let a Collector add the key.',
  );
}

function parse(body: Uint8Array): Authorizations | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
