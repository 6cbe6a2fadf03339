// EventSource and WebSocket: the page's own objects are the browser's own, and each connection is a span that counts what went over it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import { plain } from '../harness/receiver.mjs';
import { status } from '../harness/site.mjs';
import { stage } from './stage.mjs';

const isSocket = (span) => span.scope.name === 'webspan/webSocket';
const isStream = (span) => span.scope.name === 'webspan/eventSource';
const durationMs = (span) => Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6;

/** A WebSocket server that sends back what it gets, and closes when it is asked to: `close 4000`. */
async function startSockets(t) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: (protocols) => (protocols.has('chat.2') ? 'chat.2' : [...protocols].at(-1)) });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => {
      const [, code] = /^close (\d+)$/.exec(isBinary ? '' : String(data)) ?? [];
      if (code) socket.close(Number(code));
      else if (!isBinary && String(data) === 'terminate') socket.terminate();
      else socket.send(data, { binary: isBinary });
    });
  });
  await once(server, 'listening');
  t.after(() => {
    server.clients.forEach((client) => client.terminate());
    server.close();
  });
  return `ws://127.0.0.1:${server.address().port}`;
}

const socketStage = (t, options = {}, set = {}) => stage(t, { captures: '[webSocket()]', options, ...set });
const streamStage = (t, routes, options = {}) => stage(t, { captures: '[eventSource()]', options, routes });

test('a WebSocket is a span from its construction to its close, with what went over it', async (t) => {
  const url = await startSockets(t);
  const { page, receiver, flush, complaints } = await socketStage(t);
  const seen = await page.evaluate(async (address) => {
    const socket = new WebSocket(`${address}/chat?token=SECRET&room=1`, ['chat.1', 'chat.2']);
    socket.binaryType = 'arraybuffer';
    const received = [];
    const next = () => new Promise((resolve) => socket.addEventListener('message', ({ data }) => resolve(received.push(data.byteLength ?? data)), { once: true }));
    await new Promise((resolve) => (socket.onopen = resolve));
    for (const message of ['grüße 😀', new Uint8Array(1000), new Blob(['12345'])]) {
      const answer = next();
      socket.send(message);
      await answer;
    }
    // What the page sends to itself has not come over the network.
    socket.dispatchEvent(new MessageEvent('message', { data: 'forged' }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closed = new Promise((resolve) => (socket.onclose = resolve));
    socket.close(1000, 'done');
    await closed;
    return { received, protocol: socket.protocol };
  }, url);
  assert.deepEqual(seen, { received: ['grüße 😀', 1000, 5], protocol: 'chat.2' });
  await flush();
  const [span] = await receiver.waitForSpans(isSocket);
  assert.equal(span.name, 'WebSocket');
  assert.equal(span.kind, 'CLIENT');
  assert.equal(span.status.code, 'UNSET');
  assert.ok(durationMs(span) >= 50);
  const textBytes = Buffer.byteLength('grüße 😀');
  assert.deepEqual(plain(span.attributes), {
    'url.full': `${url}/chat?token=REDACTED&room=1`,
    'server.address': '127.0.0.1',
    'server.port': Number(new URL(url).port),
    'network.protocol.name': 'websocket',
    'webspan.websocket.protocol': 'chat.2',
    'webspan.websocket.close_code': 1000,
    'webspan.messages.sent': 3,
    'webspan.bytes.sent': textBytes + 1005,
    'webspan.messages.received': 3,
    'webspan.bytes.received': textBytes + 1005,
  });
  assert.deepEqual(span.events.map(({ name }) => name), ['open']);
  assert.deepEqual(complaints(), []);
});

test('a token in the place of a subprotocol is not told, whichever the server chooses', async (t) => {
  const url = await startSockets(t);
  const { page, receiver, flush } = await socketStage(t);
  const tokens = [
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
    'base64url.bearer.authorization.k8s.io.c2VjcmV0',
    '550e8400-e29b-41d4-a716-446655440000',
    'ghp_16C7e42F292c6912E7710c838347Ae178B4a',
    'auth-4f2a91bc',
    'abcdefghijklmnopqrstuvwxyz',
    '1234567890',
  ];
  const names = ['graphql-transport-ws', 'v12.stomp', 'TLCP-2.0.0.lightstreamer.com', 'ocpp2.0.1', 'actioncable-v1-json', 'mqtt', 'opcua+uajson', 't140'];
  const chosen = await page.evaluate(
    async ([address, offers]) => {
      const chosen = [];
      for (const offer of offers) {
        const socket = new WebSocket(address, ['bearer', offer]);
        await new Promise((resolve) => (socket.onopen = resolve));
        chosen.push(socket.protocol);
        const closed = new Promise((resolve) => (socket.onclose = resolve));
        socket.close();
        await closed;
      }
      return chosen;
    },
    [url, [...tokens, ...names]],
  );
  assert.deepEqual(chosen, [...tokens, ...names], 'otherwise this has tested nothing');
  await flush();
  const spans = await receiver.waitForSpans(chosen.length);
  assert.deepEqual(spans.map((span) => plain(span.attributes)['webspan.websocket.protocol']), [...tokens.map(() => undefined), ...names]);
  const sent = JSON.stringify(receiver.spans);
  for (const token of tokens) assert.ok(!sent.includes(token), token);
});

test('the WebSocket of the page is the browser\'s own, also when it is subclassed', async (t) => {
  const url = await startSockets(t);
  const { page, receiver, flush } = await socketStage(t);
  const seen = await page.evaluate(async (address) => {
    class Chat extends WebSocket {
      say(text) {
        super.send(`say ${text}`);
      }
    }
    const chat = new Chat(address);
    await new Promise((resolve) => (chat.onopen = resolve));
    chat.say('hello');
    await new Promise((resolve) => (chat.onmessage = resolve));
    const errors = [() => new WebSocket('ftp://127.0.0.1/'), () => WebSocket(address), () => new WebSocket(), () => WebSocket.prototype.send.call({}, 'x')].map((run) => {
      try {
        return run();
      } catch (error) {
        return error.name;
      }
    });
    const plainSocket = new WebSocket(address);
    const result = {
      instance: [chat instanceof WebSocket, chat instanceof Chat, plainSocket.constructor === WebSocket, Object.getPrototypeOf(plainSocket) === WebSocket.prototype],
      constants: [WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED],
      looks: [WebSocket.name, WebSocket.length, WebSocket.prototype.send.name, WebSocket.prototype.send.length, Object.keys(plainSocket).length],
      tag: Object.prototype.toString.call(chat),
      errors,
    };
    await new Promise((resolve) => (plainSocket.onopen = resolve));
    chat.close();
    plainSocket.close();
    await new Promise((resolve) => (plainSocket.onclose = resolve));
    return result;
  }, url);
  assert.deepEqual(seen, {
    instance: [true, true, true, true],
    constants: [0, 1, 2, 3],
    looks: ['WebSocket', 1, 'send', 1, 0],
    tag: '[object WebSocket]',
    errors: ['SyntaxError', 'TypeError', 'TypeError', 'TypeError'],
  });
  await flush();
  const spans = await receiver.waitForSpans(2);
  // Which of the two closes first is the network's affair.
  assert.deepEqual(spans.map((span) => plain(span.attributes)['webspan.messages.sent']).sort(), [0, 1]);
});

test('how a WebSocket closed: what the page or the application meant is no error', async (t) => {
  const url = await startSockets(t);
  const { page, receiver, flush } = await socketStage(t);
  await page.evaluate(async (address) => {
    const closed = (socket) => new Promise((resolve) => socket.addEventListener('close', resolve));
    for (const message of ['close 1000', 'close 1011', 'close 4001', 'terminate']) {
      const socket = new WebSocket(address);
      socket.onopen = () => socket.send(message);
      await closed(socket);
    }
    const cancelled = new WebSocket(address);
    cancelled.close();
    await closed(cancelled);
    await closed(new WebSocket('ws://127.0.0.1:1/'));
  }, url);
  await flush();
  const spans = await receiver.waitForSpans(6);
  assert.deepEqual(
    spans.map((span) => [plain(span.attributes)['webspan.websocket.close_code'], span.status.code, plain(span.attributes)['error.type']]),
    [[1000, 'UNSET', undefined], [1011, 'ERROR', '1011'], [4001, 'UNSET', undefined], [1006, 'ERROR', '1006'], [1006, 'UNSET', undefined], [1006, 'ERROR', '1006']],
  );
});

test('connections hang below what is active, and ignored ones have no span', async (t) => {
  const url = await startSockets(t);
  const { page, receiver, flush } = await socketStage(t, { ignoreUrls: [/ignored/] });
  await page.evaluate(async (address) => {
    const run = (path) => new Promise((resolve) => {
      const socket = new WebSocket(address + path);
      socket.onopen = () => socket.close();
      socket.onclose = resolve;
    });
    await run('/ignored');
    await window.webspan.traced('chat', () => run('/seen'));
  }, url);
  await flush();
  const spans = await receiver.waitForSpans(2);
  const [chat] = spans.filter(({ name }) => name === 'chat');
  assert.deepEqual(spans.filter(isSocket).map((span) => [plain(span.attributes)['url.full'], span.parentSpanId]), [[`${url}/seen`, chat.spanId]]);
});

test('a connection that is open when the page goes is delivered as unfinished', async (t) => {
  const url = await startSockets(t);
  const { page, receiver, site } = await socketStage(t);
  await page.evaluate(async (address) => {
    window.socket = new WebSocket(address);
    await new Promise((resolve) => (window.socket.onopen = resolve));
    window.socket.send('hello');
    // This ends nothing that goes on.
    await window.instance.flush();
    window.socket.send('again');
  }, url);
  await page.goto(site.url('/elsewhere'));
  const [span] = await receiver.waitForSpans(isSocket);
  const attributes = plain(span.attributes);
  assert.deepEqual([attributes['webspan.unfinished'], attributes['webspan.messages.sent'], attributes['webspan.bytes.sent']], [true, 2, 10]);
});

test('shutdown restores what was wrapped, and leaves alone what somebody has wrapped after', async (t) => {
  const url = await startSockets(t);
  const { page, receiver } = await stage(t, {
    captures: '[webSocket(), eventSource()]',
    // Before webspan, whose script is a module.
    content: { head: '<script>window.natives = [WebSocket, EventSource, WebSocket.prototype.send, WebSocket.prototype.close, EventSource.prototype.close]</script>' },
  });
  const seen = await page.evaluate(async (address) => {
    const now = () => [WebSocket, EventSource, WebSocket.prototype.send, WebSocket.prototype.close, EventSource.prototype.close];
    const wrapped = now().map((member, index) => member === window.natives[index]);
    const kept = new WebSocket(address);
    await new Promise((resolve) => (kept.onopen = resolve));
    const Ours = WebSocket;
    const theirs = function () {};
    WebSocket.prototype.send = theirs;
    await window.instance.shutdown();
    const sendIsTheirs = WebSocket.prototype.send === theirs;
    const restored = now().map((member, index) => member === window.natives[index]);
    const constructors = [WebSocket, EventSource].map((type) => type.prototype.constructor === type);
    WebSocket.prototype.send = window.natives[2];
    // What the page has kept works on.
    const late = new Ours(address);
    const answer = await new Promise((resolve) => {
      late.onopen = () => late.send('late');
      late.onmessage = ({ data }) => resolve(data);
    });
    late.close();
    kept.close();
    return { wrapped, restored, sendIsTheirs, constructors, listening: Object.hasOwn(EventSource.prototype, 'addEventListener'), answer };
  }, url);
  assert.deepEqual(seen, {
    wrapped: [false, false, false, false, false],
    restored: [true, true, false, true, true],
    sendIsTheirs: true,
    constructors: [true, true],
    listening: false,
    answer: 'late',
  });
  // The one that was open ended with webspan; what came later is none of ours.
  const spans = await receiver.waitForSpans(1);
  assert.deepEqual(spans.map((span) => plain(span.attributes)['webspan.unfinished']), [true]);
});

test('started again, what the page has kept of the time before only passes on', async (t) => {
  const url = await startSockets(t);
  const { page, receiver, flush } = await socketStage(t);
  await page.evaluate(async (address) => {
    const Kept = WebSocket;
    window.instance.shutdown();
    window.webspan.init();
    const run = (socket) => new Promise((resolve) => {
      socket.onopen = () => socket.close();
      socket.onclose = resolve;
    });
    await run(new Kept(`${address}/kept`));
    await run(new WebSocket(`${address}/new`));
  }, url);
  await flush();
  const spans = await receiver.waitForSpans(1);
  assert.deepEqual(spans.map((span) => plain(span.attributes)['url.full']), [`${url}/new`]);
});

test('an EventSource is a span until the page closes it, with all messages that the page listens for', async (t) => {
  const { page, receiver, flush, site, complaints } = await streamStage(t, {
    '/events': (request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write('data: äb\n\nevent: update\ndata: 1234\n\nevent: unheard\ndata: 99\n\nevent: error\ndata: of the server\n\nevent: last\ndata: \n\n');
    },
  });
  const seen = await page.evaluate(async () => {
    const source = new EventSource('/events?token=SECRET');
    const heard = [];
    source.onmessage = ({ data }) => heard.push(data);
    source.addEventListener('update', ({ data }) => heard.push(data));
    source.addEventListener('update', { handleEvent: ({ data }) => heard.push(data) });
    source.addEventListener('error', ({ data }) => heard.push(data));
    source.dispatchEvent(new MessageEvent('message', { data: 'forged' }));
    await new Promise((resolve) => source.addEventListener('last', resolve));
    source.close();
    return { heard, own: source instanceof EventSource && source.constructor === EventSource, closed: source.readyState === EventSource.CLOSED };
  });
  assert.deepEqual(seen, { heard: ['forged', 'äb', '1234', '1234', 'of the server'], own: true, closed: true });
  await flush();
  const [span] = await receiver.waitForSpans(isStream);
  assert.equal(span.name, 'EventSource');
  assert.equal(span.status.code, 'UNSET');
  assert.deepEqual(span.events.map(({ name }) => name), ['open'], 'an error that the server tells of is a message');
  assert.deepEqual(plain(span.attributes), {
    'url.full': site.url('/events?token=REDACTED'),
    'server.address': '127.0.0.1',
    'server.port': site.port,
    'network.protocol.name': 'http',
    'webspan.messages.received': 4,
    'webspan.bytes.received': 3 + 4 + 'of the server'.length,
    'webspan.event_source.reconnects': 0,
  });
  assert.equal(site.requestsTo('/events')[0].headers.traceparent, undefined);
  assert.deepEqual(complaints(), []);
});

test('an EventSource that connects again is one span, and one that the browser gives up is an error', async (t) => {
  const { page, receiver, flush, consoleWarnings } = await streamStage(t, {
    '/few': (request, response) => {
      // The browser comes back at once.
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.end('retry: 10\ndata: x\n\n');
    },
    '/refused': status(403),
  });
  await page.evaluate(async () => {
    const source = new EventSource('/few');
    source.addEventListener('error', () => {});
    let opened = 0;
    await new Promise((resolve) => (source.onopen = () => ++opened === 3 && resolve()));
    await new Promise((resolve) => (source.onmessage = resolve));
    source.close();
    const refused = new EventSource('/refused');
    await new Promise((resolve) => (refused.onerror = resolve));
  });
  await flush();
  const spans = await receiver.waitForSpans(2);
  const [again, refused] = spans;
  assert.equal(plain(again.attributes)['webspan.event_source.reconnects'], 2);
  assert.equal(plain(again.attributes)['webspan.messages.received'], 3);
  assert.equal(again.status.code, 'UNSET');
  assert.deepEqual(again.events.map(({ name }) => name), ['open', 'error', 'open', 'error', 'open']);
  assert.deepEqual(consoleWarnings, []);
  assert.deepEqual([refused.status.code, plain(refused.attributes)['error.type']], ['ERROR', '_OTHER']);
});
