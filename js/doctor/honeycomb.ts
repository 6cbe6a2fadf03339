/** Which team and environment a Honeycomb key belongs to, and what it may: https://api-docs.honeycomb.io/api/auth */
import { ok, problem, warning, type Answer, type Finding } from './finding.js';

export const HONEYCOMB_API = 'https://api.honeycomb.io';

/** What ingest keys may. */
const INGEST = ['events', 'createDatasets'];

interface Authorizations {
  team?: { name?: string; slug?: string };
  environment?: { name?: string; slug?: string };
  api_key_access?: Record<string, boolean>;
}

export function judgeHoneycombKey({ status, body }: Answer): Finding {
  const check = 'Honeycomb key';
  if (status === 401) {
    return problem(check, 'Honeycomb does not know this key (HTTP 401).', 'Copy it again. A key of the EU region is known at --honeycomb-api https://api.eu1.honeycomb.io only.');
  }
  const told = status === 200 ? parse(body) : undefined;
  if (!told) return warning(check, `Honeycomb did not tell about this key (HTTP ${status}).`, 'Ask again later, or look at --honeycomb-api.');
  const { team, environment, api_key_access: access = {} } = told;
  const place = `team ${team?.name || team?.slug || '(without a name)'}, ${environment?.name ? `environment ${environment.name}` : 'Honeycomb Classic'}`;
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
