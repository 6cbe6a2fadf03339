// Code that has never run: what a page pays for its first spans and their export, connection and preflight included. The page has been idle
// before, so that all that starts has started.

import assert from 'node:assert/strict';
import { ratioTo } from '../limits.mjs';

const SPANS = 100;

export default {
  rounds: 11,
  variants: {
    'OpenTelemetry JS': { sdk: 'opentelemetry-json' },
    webspan: { sdk: 'webspan' },
    'webspan again': { sdk: 'webspan' },
  },
  async measure(page) {
    await page.start();
    await page.evaluate('new Promise((idle) => requestIdleCallback(idle))');
    const cpuMs = await page.cpuMs('makeAndSend', 1, SPANS);
    assert.equal(page.spansDelivered(), SPANS);
    return { cpuMs };
  },
  figures: {
    cpuMs: {
      row: 'first 100 spans + first flush on a fresh page, ratio to its JSON path',
      unit: 'ms of CPU',
      limit: ratioTo('OpenTelemetry JS', 0.3),
    },
  },
};
