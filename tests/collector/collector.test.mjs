// A real Collector: that it takes what it is sent, that its CORS is what tests/harness says, and that the example
// configuration does what its comments promise.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ensureCollector, projectDir } from '../../js/build/setup.mjs';
import { startReceiver } from '../harness/receiver.mjs';
import { sampleExport } from '../harness/sample-export.mjs';
import { runCollector, startCollector } from './collector.mjs';

const PAGE_ORIGIN = 'http://127.0.0.1:5000';
const EXAMPLE_CONFIG = join(projectDir, 'examples/collector/otel-collector.yaml');

const collectorBinary = ensureCollector();
const skip = collectorBinary === null && 'there is no Go to build a Collector with';

const send = (endpoint, { headers, body }, extraHeaders = {}) =>
  fetch(`${endpoint}/v1/traces`, { method: 'POST', headers: { ...headers, ...extraHeaders }, body });

const preflight = (endpoint, { origin = PAGE_ORIGIN, method = 'POST', requestHeaders }) =>
  fetch(`${endpoint}/v1/traces`, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': method,
      ...(requestHeaders && { 'Access-Control-Request-Headers': requestHeaders }),
    },
  });

/** What CORS is made of in an answer. */
function corsOf(response) {
  const names = [...response.headers.keys()].filter((name) => name.startsWith('access-control-') || name === 'vary');
  return { status: response.status, ...Object.fromEntries(names.map((name) => [name, response.headers.get(name)])) };
}

describe('a Collector', { skip }, () => {
  let backend;
  let collector;
  before(async () => {
    backend = await startReceiver();
    collector = await startCollector({ forwardTo: backend.url });
  });
  after(async () => {
    await collector?.stop();
    await backend.close();
  });

  for (const protocol of ['http/protobuf', 'http/json']) {
    for (const encoding of ['identity', 'gzip']) {
      it(`takes ${protocol}, ${encoding}, and passes it on`, async () => {
        const name = `${protocol} ${encoding}`;
        const { headers, body } = sampleExport({ names: [name], protocol, attributes: { count: 5, ratio: 2.5 } });
        const response = encoding === 'gzip'
          ? await send(collector.endpoint, { headers, body: gzipSync(body) }, { 'Content-Encoding': 'gzip' })
          : await send(collector.endpoint, { headers, body });
        assert.equal(response.status, 200);
        const [stored] = await collector.waitForSpans((span) => span.name === name);
        assert.deepEqual(stored.attributes, { count: { int: '5' }, ratio: { double: 2.5 } });
        const [forwarded] = await backend.waitForSpans((span) => span.name === name);
        assert.deepEqual(forwarded, stored);
      });
    }
  }

  it('refuses what is broken', async () => {
    const { headers, body } = sampleExport();
    assert.equal((await send(collector.endpoint, { headers, body: body.subarray(1) })).status, 400);
  });

  it('tells what came instead when it waits in vain', async () => {
    await assert.rejects(collector.waitForSpans((span) => span.name === 'never sent', 50), /still lacks a span with .*never sent/);
  });
});

describe('the CORS of the test receiver is that of a Collector', { skip }, () => {
  const configs = {
    none: 'none',
    'origins only': { allowedOrigins: [PAGE_ORIGIN] },
    'a wildcard in the origin': { allowedOrigins: ['http://127.0.0.1:*'] },
    'Content-Encoding alone': { allowedOrigins: [PAGE_ORIGIN], allowedHeaders: ['Content-Encoding'] },
    'both headers, max age, exposed': {
      allowedOrigins: [PAGE_ORIGIN, 'https://shop.example'],
      allowedHeaders: ['Content-Type', 'Content-Encoding'],
      maxAgeSeconds: 7200,
      exposedHeaders: ['Retry-After'],
    },
    'all headers': { allowedOrigins: [PAGE_ORIGIN], allowedHeaders: ['*'] },
  };
  const preflights = [
    {},
    { requestHeaders: 'content-type' },
    { requestHeaders: 'content-encoding' },
    { requestHeaders: 'content-encoding,content-type' },
    { requestHeaders: 'content-type,x-api-key' },
    { requestHeaders: 'content-type', origin: 'http://127.0.0.1:5001' },
    { requestHeaders: 'content-type', origin: 'https://shop.example' },
    { requestHeaders: 'content-type', origin: 'https://shop.example.evil.example' },
    { requestHeaders: 'content-type', method: 'PUT' },
    { requestHeaders: 'content-type', method: 'TRACE' },
  ];

  for (const [what, cors] of Object.entries(configs)) {
    it(what, async () => {
      const collector = await startCollector({ cors });
      const receiver = await startReceiver({ cors });
      try {
        if (cors !== 'none') {
          for (const request of preflights) {
            const [theirs, ours] = await Promise.all([preflight(collector.endpoint, request), preflight(receiver.url, request)]);
            assert.deepEqual(corsOf(ours), corsOf(theirs), JSON.stringify(request));
          }
        }
        for (const origin of [PAGE_ORIGIN, 'https://stranger.example']) {
          const sample = sampleExport();
          const [theirs, ours] = await Promise.all([
            send(collector.endpoint, sample, { Origin: origin }),
            send(receiver.url, sample, { Origin: origin }),
          ]);
          assert.deepEqual(corsOf(ours), corsOf(theirs), `export from ${origin}`);
        }
      } finally {
        await collector.stop();
        await receiver.close();
      }
    });
  }
});

describe('examples/collector', { skip }, () => {
  let backend;
  let collector;
  before(async () => {
    backend = await startReceiver();
    collector = await runCollector({
      configs: [EXAMPLE_CONFIG, 'yaml:receivers::otlp::protocols::http::endpoint: 127.0.0.1:0'],
      env: { ALLOWED_ORIGIN: PAGE_ORIGIN, BACKEND_ENDPOINT: backend.url },
    });
  });
  after(async () => {
    await collector?.stop();
    await backend.close();
  });

  it('is valid as it stands', () => {
    execFileSync(collectorBinary, ['validate', '--config', EXAMPLE_CONFIG], { stdio: 'pipe' });
  });

  it('lets compressed exports through, remembers the preflight for two hours, and exposes Retry-After', async () => {
    const asked = corsOf(await preflight(collector.endpoint, { requestHeaders: 'content-encoding,content-type' }));
    assert.equal(asked['access-control-allow-origin'], PAGE_ORIGIN);
    assert.equal(asked['access-control-allow-headers'], 'content-encoding,content-type');
    assert.equal(asked['access-control-max-age'], '7200');
    const answered = corsOf(await send(collector.endpoint, sampleExport(), { Origin: PAGE_ORIGIN }));
    assert.equal(answered['access-control-expose-headers'], 'Retry-After');
  });

  it('allows no other origin and no other header', async () => {
    for (const request of [{ origin: 'http://127.0.0.1:5001', requestHeaders: 'content-type' }, { requestHeaders: 'content-type,x-api-key' }]) {
      const asked = corsOf(await preflight(collector.endpoint, request));
      assert.equal(asked['access-control-allow-origin'], undefined, JSON.stringify(request));
    }
  });

  it('passes spans on to the backend', async () => {
    const { headers, body } = sampleExport({ names: ['to the backend'] });
    await send(collector.endpoint, { headers, body: gzipSync(body) }, { 'Content-Encoding': 'gzip' });
    await backend.waitForSpans((span) => span.name === 'to the backend');
  });

  it('does not unpack more than its limit', async () => {
    const { headers } = sampleExport();
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    assert.equal((await send(collector.endpoint, { headers, body: bomb }, { 'Content-Encoding': 'gzip' })).status, 400);
  });

  it('runs in compose.yaml in the version that is tested here', () => {
    const version = /otel\/opentelemetry-collector:(\S+)/.exec(readFileSync(join(projectDir, 'examples/collector/compose.yaml'), 'utf8'))?.[1];
    assert.equal(execFileSync(collectorBinary, ['--version'], { encoding: 'utf8' }).trim().split(' ').at(-1), version);
  });
});
