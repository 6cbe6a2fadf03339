// webspan up to the bytes of a request: whoever takes them answers at once, so that no network is measured.

import * as webspan from './webspan.mjs';

export { tracer, send } from './webspan.mjs';

export let bytes = 0;

export function start(options) {
  const answer = { ok: true, status: 200, headers: new Headers(), arrayBuffer: async () => new ArrayBuffer(0) };
  globalThis.fetch = async (url, { body }) => {
    bytes += body.length;
    return answer;
  };
  webspan.start(options);
}
