/** The lines to copy, for those who have to allow something. */
import type { Page } from './finding.js';

/** The most that Chromium keeps a preflight for. */
export const MAX_AGE_SECONDS = 7200;

export const IN_THE_COLLECTOR = "In the Collector's configuration, below receivers.otlp.protocols.http.cors:";

const list = (values: readonly string[]) => `[${values.map((value) => `'${value}'`).join(', ')}]`;

export const allowedOrigins = ({ origin }: Page): string => `allowed_origins: ${list([origin])}`;

/** Always all: what is given replaces the Collector's default. */
export const allowedHeaders = ({ headerNames }: Page): string => `allowed_headers: ${list(['Content-Type', 'Content-Encoding', ...headerNames])}`;

export const maxAge = `max_age: ${MAX_AGE_SECONDS}`;

export const exposedHeaders = `exposed_headers: ${list(['Retry-After'])} # from Collector 0.154 on`;

/** The whole of it, as it stands in the Collector's file. */
export function collectorCors(page: Page): string[] {
  const head = ['receivers:', 'otlp:', 'protocols:', 'http:', 'cors:'].map((line, depth) => '  '.repeat(depth) + line);
  return [...head, ...[allowedOrigins(page), allowedHeaders(page), maxAge, exposedHeaders].map((line) => '  '.repeat(head.length) + line)];
}

/** For a backend that shall get `traceparent`. */
export const flaskCors = ({ origin }: Page): string => `CORS(app, origins=${list([origin])}, allow_headers=${list(['Content-Type', 'traceparent'])})`;
