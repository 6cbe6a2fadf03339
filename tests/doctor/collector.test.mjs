// `webspan doctor` and a real Collector, as people configure its CORS.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ensureCollector } from '../../js/build/setup.mjs';
import { startCollector } from '../collector/collector.mjs';
import { examined, verdicts } from './doctor.mjs';

const ORIGIN = 'http://127.0.0.1:5000';
const skip = ensureCollector() === null && 'there is no Go to build a Collector with';

for (const [name, cors, expected] of [
  ['without CORS', 'none', { 'origin allowed': 'problem' }],
  ['with allowed_origins alone', { allowedOrigins: ['http://127.0.0.1:*'] }, { 'header content-encoding allowed': 'warning', 'preflight remembered': 'warning', 'Retry-After readable': 'warning' }],
  ['with Content-Encoding alone', { allowedOrigins: [ORIGIN], allowedHeaders: ['Content-Encoding'], maxAgeSeconds: 7200 }, { 'header content-type allowed': 'problem' }],
  ['for another origin', { allowedOrigins: ['https://shop.example.com'] }, { 'origin allowed': 'problem' }],
]) {
  test(`a Collector ${name}`, { skip }, async (t) => {
    const collector = await startCollector({ cors });
    t.after(() => collector.stop());
    const told = await examined(collector.endpoint, ORIGIN);
    assert.deepEqual(Object.fromEntries(Object.entries(verdicts(told)).filter(([, verdict]) => verdict !== 'ok')), expected);
    assert.equal(told.by['export as protobuf'].verdict, 'ok', 'it takes what it is sent');
  });
}

test('what the doctor recommends is what it has nothing to say about', { skip }, async (t) => {
  const collector = await startCollector({
    cors: { allowedOrigins: [ORIGIN], allowedHeaders: ['Content-Type', 'Content-Encoding'], maxAgeSeconds: 7200, exposedHeaders: ['Retry-After'] },
  });
  t.after(() => collector.stop());
  const told = await examined(collector.endpoint, ORIGIN);
  assert.deepEqual(told.findings.filter(({ verdict }) => verdict !== 'ok'), []);
  assert.equal(told.status, 0);
});
