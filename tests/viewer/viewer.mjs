// A viewer for tests, and the ways of sending to it.
import assert from 'node:assert/strict';
import { startViewer } from '../../dist/viewer/server.js';

/** Starts a viewer that lives as long as the test `t`. */
export async function viewerFor(t, options = {}) {
  const complaints = [];
  const viewer = await startViewer({ port: 0, onComplaint: (message) => complaints.push(message), ...options });
  t.after(() => viewer.close());
  return {
    url: viewer.url,
    complaints,
    post: (body, headers = {}) => post(viewer.url, body, headers),
    api: (path) => json(`${viewer.url}/api${path}`),
  };
}

function post(url, body, headers) {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  return fetch(`${url}/v1/traces`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: raw ? body : JSON.stringify(body),
  });
}

async function json(url) {
  const response = await fetch(url);
  assert.equal(response.status, 200, url);
  return response.json();
}
