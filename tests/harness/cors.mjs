// CORS as the OpenTelemetry Collector does it (its library is github.com/rs/cors), so that a page that works with the
// receiver of the tests works with a Collector that is configured alike. tests/collector compares the two.

/**
 * @typedef {object} CorsConfig
 * @property {string[]} allowedOrigins `*` stands for any text inside an origin: `http://127.0.0.1:*`
 * @property {string[]} [allowedHeaders] `['*']` for all; what is given replaces the default
 * @property {string[]} [allowedMethods] GET, HEAD and POST; a Collector has no setting for it
 * @property {string[]} [exposedHeaders]
 * @property {number} [maxAgeSeconds] without it browsers remember a preflight for five seconds
 */

/** @typedef {'allow-all' | 'none' | CorsConfig} Cors */

const DEFAULT_ALLOWED_HEADERS = ['Accept', 'Content-Type', 'X-Requested-With'];
const DEFAULT_ALLOWED_METHODS = ['GET', 'HEAD', 'POST'];

/** @type {CorsConfig} Names the origin instead of answering `*`, so that requests with credentials pass too. */
const ALLOW_ALL = {
  allowedOrigins: ['http://*', 'https://*'],
  allowedHeaders: ['*'],
  allowedMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  exposedHeaders: ['*', 'Retry-After'],
  maxAgeSeconds: 600,
};

/**
 * The CORS headers of the answer to `request`; those of a preflight where it is one, and no allowance where the
 * configuration refuses.
 * @param {Cors} cors
 * @param {import('node:http').IncomingMessage} request
 * @returns {Record<string, string>}
 */
export function corsHeaders(cors, request) {
  if (cors === 'none') return {};
  const config = cors === 'allow-all' ? ALLOW_ALL : cors;
  const answer = isPreflight(request) ? preflightHeaders(config, request) : actualHeaders(config, request);
  return Object.fromEntries(Object.entries(answer).filter(([, value]) => value !== undefined));
}

/** @param {import('node:http').IncomingMessage} request */
export function isPreflight(request) {
  return request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
}

function preflightHeaders(config, request) {
  const vary = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers';
  const method = request.headers['access-control-request-method'];
  const headers = request.headers['access-control-request-headers'];
  const allowed = allowsOrigin(config, request.headers.origin) &&
    (config.allowedMethods ?? DEFAULT_ALLOWED_METHODS).includes(method) &&
    allowsHeaders(config, headers);
  if (!allowed) return { Vary: vary };
  return {
    Vary: vary,
    'Access-Control-Allow-Origin': request.headers.origin,
    'Access-Control-Allow-Methods': method,
    'Access-Control-Allow-Headers': headers,
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Max-Age': config.maxAgeSeconds?.toString(),
  };
}

function actualHeaders(config, request) {
  if (!allowsOrigin(config, request.headers.origin)) return { Vary: 'Origin' };
  return {
    Vary: 'Origin',
    'Access-Control-Allow-Origin': request.headers.origin,
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Expose-Headers': config.exposedHeaders?.join(', '),
  };
}

function allowsOrigin(config, origin) {
  if (origin === undefined) return false;
  return config.allowedOrigins.some((pattern) => {
    const [start, ...rest] = pattern.split('*');
    if (rest.length === 0) return origin === pattern;
    const end = rest.join('*');
    return origin.length >= start.length + end.length && origin.startsWith(start) && origin.endsWith(end);
  });
}

function allowsHeaders(config, requested = '') {
  const allowed = (config.allowedHeaders ?? DEFAULT_ALLOWED_HEADERS).map((name) => name.toLowerCase());
  if (allowed.includes('*')) return true;
  return requested.split(',').filter(Boolean).every((name) => allowed.includes(name.trim().toLowerCase()));
}
