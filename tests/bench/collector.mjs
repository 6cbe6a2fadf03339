// A collector that takes everything at once, on an origin of its own, and knows how many spans it was given.

import { startSite, status } from '../harness/site.mjs';

/** Each page of a benchmark gets an endpoint of its own below `/<page>`. */
export async function startCollector() {
  const site = await startSite({
    // Without a lifetime of preflights: browsers remember them for five seconds.
    cors: { allowedOrigins: ['http://*'], allowedHeaders: ['*'] },
    routes: { '/*': (request, response) => status(200, { 'Content-Type': request.headers['content-type'] })(request, response) },
  });
  return {
    endpoint: (page) => site.url(`/${page}`),
    spansFrom(page) {
      const requests = site.requestsTo(`/${page}/v1/traces`);
      return requests.reduce((spans, { headers, body }) => spans + countSpans(headers['content-type'], body), 0);
    },
    /** Lets go of the requests. */
    forget: () => void site.requests.splice(0),
    close: () => site.close(),
  };
}

/** How many spans an ExportTraceServiceRequest holds. */
export function countSpans(contentType, body) {
  if (body.length === 0) return 0; // still under way
  if (contentType === 'application/json') {
    const { resourceSpans } = JSON.parse(body);
    return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)).length;
  }
  const RESOURCE_SPANS = 1;
  const SCOPE_SPANS = 2;
  const SPANS = 2;
  return messages(body, RESOURCE_SPANS)
    .flatMap((resourceSpans) => messages(resourceSpans, SCOPE_SPANS))
    .flatMap((scopeSpans) => messages(scopeSpans, SPANS)).length;
}

/** The messages in one field of a protobuf message whose fields all have a length. */
function messages(bytes, wanted) {
  const found = [];
  let at = 0;
  const varint = () => {
    for (let value = 0, factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if ((tag & 7) !== 2) throw new Error(`field ${tag >> 3} has wire type ${tag & 7}: not an ExportTraceServiceRequest`);
    const length = varint();
    if (tag >> 3 === wanted) found.push(bytes.subarray(at, at + length));
    at += length;
  }
  return found;
}
