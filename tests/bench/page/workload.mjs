// What the pages of the benchmarks do. Loaded into each page by itself; `sdk` is the page's SDK, one of the files beside this one.

/** A span as an application makes it: 8 attributes (5 strings, 3 integers), an event, a status. */
export function makeSpans(count) {
  const { tracer } = sdk;
  for (let index = 0; index < count; index++) {
    const span = tracer.startSpan('checkout');
    span.setAttribute('app.page', '/cart/checkout');
    span.setAttribute('app.component', 'PaymentForm');
    span.setAttribute('enduser.role', 'customer');
    span.setAttribute('app.payment.method', 'credit_card');
    span.setAttribute('app.cart.id', 'b7ad6b71-69203331');
    span.setAttribute('app.cart.items', index & 15);
    span.setAttribute('app.cart.total_cents', 129_900 + index);
    span.setAttribute('app.retry.count', 0);
    span.addEvent('payment.accepted');
    span.setStatus({ code: 1 });
    span.end();
  }
}

export async function makeAndSend(batches, spansPerBatch) {
  for (let batch = 0; batch < batches; batch++) {
    makeSpans(spansPerBatch);
    await sdk.send();
  }
}

/** Spans of 93 bytes each in OTLP protobuf. */
export function makeSmallSpans(count) {
  for (let index = 0; index < count; index++) sdk.tracer.startSpan('tick').setAttribute('app.component', 'PaymentForm').end();
}

/** Reads small answers, `inFlight` of them at a time, each of its own URL. */
export async function fetchAll(first, count, inFlight) {
  let next = first;
  const readOneByOne = async () => {
    while (next < first + count) await (await fetch(`/api/items/${next++}`)).json();
  };
  await Promise.all(Array.from({ length: inFlight }, readOneByOne));
}

/** The same by XMLHttpRequest. */
export async function sendAll(first, count, inFlight) {
  let next = first;
  const send = (url) =>
    new Promise((resolve, reject) => {
      const xhr = new XMLHttpRequest();
      xhr.open('GET', url);
      xhr.responseType = 'json';
      xhr.onload = () => resolve(xhr.response);
      xhr.onerror = reject;
      xhr.send();
    });
  const sendOneByOne = async () => {
    while (next < first + count) await send(`/api/items/${next++}`);
  };
  await Promise.all(Array.from({ length: inFlight }, sendOneByOne));
}

/** Until everything about the requests has ended: OpenTelemetry JS waits for 300 ms for their resource timing. */
export async function settle() {
  await new Promise((resolve) => setTimeout(resolve, 400));
  await sdk.send();
}

export async function fetchAndSettle(first, count, inFlight) {
  await fetchAll(first, count, inFlight);
  await settle();
}

export async function sendAndSettle(first, count, inFlight) {
  await sendAll(first, count, inFlight);
  await settle();
}

/** Reads a body chunk by chunk and keeps nothing of it; its length. */
export async function readBody(path) {
  const reader = (await fetch(path)).body.getReader();
  let bodyBytes = 0;
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) bodyBytes += chunk.value.length;
  return bodyBytes;
}

/** Reads the first chunk of a body and then stalls. */
export async function stallInBody(path) {
  globalThis.stalled = (await fetch(path)).body.getReader();
  await stalled.read();
}

/** Loads an SDK and starts it. */
export async function loadAndStart(path, options) {
  const loaded = await import(path);
  globalThis.sdk = loaded.default ?? loaded;
  sdk.start(options);
}
