// The ways to call fetch and XHR that `as-without-us.test.mjs` compares, and what lies below and above webspan then. All of it runs in the page.

/** Ways to call fetch, by name. `count` counts how often it is called; what a call resolves to is not compared unless it is a Response. */
export const fetches = {
  'text': () => fetch('/echo'),
  'text with a query and a fragment': () => fetch('/echo?a=1&b=%20ä#part'),
  'relative text': () => fetch('echo?relative'),
  'URL': () => fetch(new URL('/echo', location.href)),
  'location': () => fetch(location).then((response) => response.text()).then((text) => new Response(JSON.stringify({ body: text.slice(0, 15) }))),
  'a link': () => fetch(Object.assign(document.createElement('a'), { href: '/echo?link' })),
  'a String object': () => fetch(new String('/echo?object')),
  'an object with a text': ({ count }) => fetch({ toString: () => (count(), '/echo?text') }),
  'an object whose text throws': () => fetch({ toString() { throw new RangeError('of the page'); } }),
  'an object with a url': () => fetch({ url: '/echo', method: 'PUT' }),
  'a URL of another frame': ({ frame }) => fetch(new frame.URL('/echo?frame', location.href)),
  'a Request of another frame': ({ frame }) => fetch(new frame.Request('/echo?frame', { method: 'POST', body: 'b', headers: { 'X-Frame': '1' } })),
  'fetch of another frame': ({ frame }) => frame.fetch('/echo?of-frame'),
  'called as that of another frame': ({ frame }) => fetch.call(frame, '/echo?as-frame'),
  'called as a member': () => ({ fetch }).fetch('/echo'),
  'called as nothing': () => (0, fetch)('/echo'),
  'applied': () => Reflect.apply(fetch, window, ['/echo', { method: 'POST' }]),
  'a number': () => fetch(5),
  'a symbol': () => fetch(Symbol('/echo')),
  'undefined': () => fetch(undefined),
  'null': () => fetch(null),
  'no argument': () => fetch(),
  'three arguments': () => fetch('/echo', { method: 'PUT' }, 'more'),
  'bad URL': () => fetch('http://'),
  'data URL': () => fetch('data:application/json,{"headers":{}}'),
  'blob URL': () => fetch(URL.createObjectURL(new Blob(['{}']))),
  'credentials in the URL': () => fetch(location.origin.replace('//', '//user:word@') + '/echo'),
  'Request': () => fetch(new Request('/echo', { method: 'PUT', body: 'b', headers: { 'x-a': '1' }, referrer: '/from', referrerPolicy: 'unsafe-url' })),
  'Request of a subclass': () => fetch(new (class Own extends Request { get method() { return 'POST'; } })('/echo')),
  'Request and an empty init': () => fetch(new Request('/echo', { referrer: '/from', referrerPolicy: 'unsafe-url' }), {}),
  'Request and an init of undefined members': () => fetch(new Request('/echo', { referrer: '/from', referrerPolicy: 'unsafe-url' }), { method: undefined, headers: undefined }),
  'Request and an init of the page': () => fetch(new Request('/echo', { headers: { 'x-a': '1' } }), { next: { revalidate: 1 } }),
  'Request and init': () => fetch(new Request('/echo', { method: 'POST', body: 'first', headers: { 'x-a': '1' } }), { body: 'second' }),
  'Request and headers': () => fetch(new Request('/echo', { method: 'POST', body: 'first', headers: { 'x-a': '1' } }), { headers: { 'X-B': '2' } }),
  'Request and init with a Request': () => fetch(new Request('/echo'), new Request('/other', { method: 'POST', body: 'b', headers: { 'x-c': '3' } })),
  'used Request': async () => { const request = new Request('/echo', { method: 'POST', body: 'b' }); await request.text(); return fetch(request); },
  'Request that is used up': async () => { const request = new Request('/echo', { method: 'POST', body: 'b' }); const response = await fetch(request); return new Response(JSON.stringify({ body: `${request.bodyUsed} ${(await response.json()).body}` })); },
  'no-cors Request': () => fetch(new Request('/echo', { mode: 'no-cors' })),
  'init that is a Request': () => fetch('/echo', new Request('/other', { method: 'POST', body: 'b', headers: { 'x-c': '3' } })),
  'init that inherits': () => fetch('/echo', Object.create({ method: 'POST', body: 'b', headers: { 'x-d': '4' } })),
  'init without a prototype': () => fetch('/echo', Object.assign(Object.create(null), { method: 'POST', headers: { 'X-E': '5' } })),
  'init with hidden members': () => fetch('/echo', Object.defineProperties({}, { method: { value: 'DELETE' }, headers: { value: { 'x-a': '1' } } })),
  'init with one hidden member': () => fetch('/echo', Object.defineProperty({ headers: { A: '1' } }, 'method', { value: 'DELETE' })),
  'init of a class': () => fetch('/echo', new (class Own { method = 'POST'; #own = 'b'; get body() { return this.#own; } get headers() { return { 'x-e': '5' }; } })()),
  'init that counts': ({ count }) => fetch('/echo', { get method() { count(); return 'POST'; }, get headers() { count(); return { 'X-F': '6' }; }, get body() { count(); return 'b'; } }),
  'init that counts, to another origin': ({ count, api }) => fetch(`${api}/echo`, { get method() { count(); return 'POST'; }, get body() { count(); return 'b'; } }),
  'init that is a proxy': ({ count }) => fetch('/echo', new Proxy({}, { get: (_, name) => (name === 'method' ? (count(), 'DELETE') : undefined) })),
  'init that is a function': () => fetch('/echo', Object.assign(() => {}, { method: 'PUT' })),
  'init that is an array': () => fetch('/echo', ['POST']),
  'init that is a number': () => fetch('/echo', 5),
  'init that is text': () => fetch('/echo', 'POST'),
  'init that throws': () => fetch('/echo', { get method() { throw new RangeError('of the page'); } }),
  'init that is frozen': () => fetch('/echo', Object.freeze({ method: 'POST', headers: Object.freeze({ 'X-G': '7' }) })),
  'init with members of its own': () => fetch('/echo', { next: { tags: ['a'] }, timeout: 5, [Symbol.for('own')]: 1 }),
  'undefined init': () => fetch('/echo', undefined),
  'null init': () => fetch('/echo', null),
  'empty init': () => fetch('/echo', {}),
  'reused init': async () => { const init = { method: 'POST', headers: { 'X-H': '8' } }; await fetch('/echo', init); return new Response(JSON.stringify({ body: JSON.stringify(init) })); },
  'record of headers': () => fetch('/echo', { headers: { SOAPAction: 'x', 'X-Api-Key': 'k', b: '1', a: '2' } }),
  'record without a prototype': () => fetch('/echo', { headers: Object.assign(Object.create(null), { 'X-I': '9' }) }),
  'record of a class': () => fetch('/echo', { headers: new (class Own { 'X-J' = '10'; })() }),
  'record with a hidden member': () => fetch('/echo', { headers: Object.defineProperty({ A: '1' }, 'B', { value: '2' }) }),
  'record that counts': ({ count }) => fetch('/echo', { headers: { get 'X-K'() { count(); return '11'; } } }),
  'record with a symbol': () => fetch('/echo', { headers: { [Symbol('a')]: '1' } }),
  'record with numbers': () => fetch('/echo', { headers: { 'x-n': 5, 'x-u': undefined, 'x-z': null } }),
  'empty record': () => fetch('/echo', { headers: {} }),
  'pairs': () => fetch('/echo', { headers: [['X-L', '12'], ['X-L', '13'], ['a', '1']] }),
  'pairs that are sets': () => fetch('/echo', { headers: [new Set(['x-m', '14'])] }),
  'no pairs': () => fetch('/echo', { headers: [] }),
  'bad pairs': () => fetch('/echo', { headers: [['a', 'b', 'c']] }),
  'Headers': () => fetch('/echo', { headers: new Headers({ 'X-N': '15' }) }),
  'Headers of another frame': ({ frame }) => fetch('/echo', { headers: new frame.Headers({ 'X-O': '16' }) }),
  'Headers that are reused': async () => { const headers = new Headers({ a: '1' }); await fetch('/echo', { headers }); return new Response(JSON.stringify({ body: JSON.stringify([...headers]) })); },
  'headers from a generator': () => fetch('/echo', { headers: (function* () { yield ['X-P', '17']; })() }),
  'headers from a Map': () => fetch('/echo', { headers: new Map([['X-Q', '18']]) }),
  'headers from search parameters': () => fetch('/echo', { headers: new URLSearchParams({ 'x-r': '19' }) }),
  'headers that are null': () => fetch('/echo', { headers: null }),
  'headers that are text': () => fetch('/echo', { headers: 'a: b' }),
  'headers that are a function': () => fetch('/echo', { headers: Object.assign(() => {}, { A: '1' }) }),
  'a bad header': () => fetch('/echo', { headers: { 'x y': '1' } }),
  'own traceparent': () => fetch('/echo', { headers: { TraceParent: '00-11111111111111111111111111111111-1111111111111111-01' } }),
  'own traceparent in pairs': () => fetch('/echo', { headers: [['traceparent', '00-11111111111111111111111111111111-1111111111111111-01']] }),
  'own traceparent in a Request': () => fetch(new Request('/echo', { headers: { traceparent: '00-11111111111111111111111111111111-1111111111111111-01' } })),
  'form data': () => { const form = new FormData(); form.set('a', 'b'); return fetch('/length', { method: 'POST', body: form }); },
  'search parameters': () => fetch('/echo', { method: 'POST', body: new URLSearchParams({ a: 'b' }) }),
  'bytes': () => fetch('/echo', { method: 'POST', body: new Uint8Array([65, 66]) }),
  'a Blob': () => fetch('/echo', { method: 'POST', body: new Blob(['b'], { type: 'text/own' }) }),
  'body that counts': ({ count }) => fetch('/echo', { method: 'POST', body: { toString: () => (count(), 'b') } }),
  'keepalive': () => fetch('/echo', { method: 'POST', body: 'b', keepalive: true }),
  'many members': () => fetch('/echo', { credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer', integrity: '', mode: 'same-origin', redirect: 'error', priority: 'low' }),
  'patch in lower case': () => fetch('/echo', { method: 'patch' }),
  'an unknown method': () => fetch('/echo', { method: 'Chicken' }),
  'bad method': () => fetch('/echo', { method: 'TRACE' }),
  'body on GET': () => fetch('/echo', { body: 'b' }),
  'aborted before': () => fetch('/echo', { signal: AbortSignal.abort() }),
  'aborted with a reason': () => fetch('/echo', { signal: AbortSignal.abort('a word') }),
  'aborted at once': () => { const controller = new AbortController(); const promise = fetch('/never', { signal: controller.signal }); controller.abort(); return promise; },
  'timed out': () => fetch('/never', { signal: AbortSignal.timeout(20) }),
  'signal that is none': () => fetch('/echo', { signal: {} }),
  'another origin': ({ api }) => fetch(`${api}/echo`),
  'another origin, with headers': ({ api }) => fetch(`${api}/echo`, { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: 'b' }),
  'another origin, no-cors': ({ api }) => fetch(`${api}/echo`, { mode: 'no-cors' }),
  'another origin that refuses': ({ api }) => fetch(`${api}/echo`, { headers: { 'x-refused': '1' } }),
  'a redirect': () => fetch('/redirect'),
  'a redirect, by hand': () => fetch('/redirect', { redirect: 'manual' }),
  'not found': () => fetch('/nothing'),
  'a line that breaks': () => fetch('/reset'),
  'a body that breaks': () => fetch('/cut').then((response) => response.text()),
  'a body that is no JSON': () => fetch('/plain').then((response) => response.json()),
  'a body that is read twice': () => fetch('/plain').then((response) => response.text().then(() => response.text())),
  'a body in all ways': async () => {
    const read = [];
    for (const name of ['arrayBuffer', 'blob', 'text']) read.push(Object.prototype.toString.call(await (await fetch('/plain'))[name]()));
    read.push(await (await fetch('/plain')).clone().text(), (await (await fetch('/plain')).body.getReader().read()).value.length);
    return new Response(JSON.stringify({ body: read.join() }));
  },
  'what it gives': async () => { const promise = fetch('/plain'); const response = await promise; return new Response(JSON.stringify({ body: [promise instanceof Promise, Object.keys(promise), response.constructor === Response, Object.getOwnPropertyNames(response)].join() })); },
};

/** Ways to use an XHR: what `start` does with a new one; what it throws is compared too. */
export const xhrs = {
  'text': (xhr) => (xhr.open('GET', '/echo'), xhr.send()),
  'URL': (xhr) => (xhr.open('GET', new URL('/echo?url', location.href)), xhr.send()),
  'location': (xhr) => (xhr.open('HEAD', location), xhr.send()),
  'an object with a text': (xhr, { count }) => (xhr.open('GET', { toString: () => (count(), '/echo?text') }), xhr.send()),
  'a String object': (xhr) => (xhr.open(new String('PUT'), '/echo'), xhr.send()),
  'null as URL': (xhr) => (xhr.open('GET', null), xhr.send()),
  'a symbol as URL': (xhr) => xhr.open('GET', Symbol('a')),
  'no argument': (xhr) => xhr.open(),
  'bad method': (xhr) => xhr.open('x y', '/echo'),
  'bad URL': (xhr) => xhr.open('GET', 'http://'),
  'patch in lower case': (xhr) => (xhr.open('patch', '/echo'), xhr.send()),
  'headers': (xhr) => { xhr.open('POST', '/echo'); xhr.setRequestHeader('SOAPAction', 'a'); xhr.setRequestHeader('X-Own', '1'); xhr.setRequestHeader('X-Own', '2'); xhr.send('body'); },
  'a header name that is an object': (xhr, { count }) => { xhr.open('GET', '/echo'); xhr.setRequestHeader({ toString: () => (count(), 'X-Object') }, { toString: () => (count(), 'v') }); xhr.send(); },
  'bad header': (xhr) => { xhr.open('GET', '/echo'); xhr.setRequestHeader('x y', '1'); },
  'header without a value': (xhr) => { xhr.open('GET', '/echo'); xhr.setRequestHeader('a'); },
  'header before open': (xhr) => xhr.setRequestHeader('a', '1'),
  'header after send': (xhr) => { xhr.open('GET', '/echo'); xhr.send(); xhr.setRequestHeader('traceparent', '1'); },
  'own traceparent': (xhr) => { xhr.open('GET', '/echo'); xhr.setRequestHeader('TraceParent', '00-11111111111111111111111111111111-1111111111111111-01'); xhr.send(); },
  'sent before open': (xhr) => xhr.send(),
  'sent twice': (xhr) => { xhr.open('GET', '/echo'); xhr.send(); xhr.send(); },
  'opened twice': (xhr) => { xhr.open('GET', '/never'); xhr.send(); xhr.open('GET', '/echo'); xhr.send(); },
  'synchronous': (xhr) => { xhr.open('GET', '/echo', false); xhr.send(); },
  'synchronous and refused': (xhr) => { xhr.open('GET', '/reset', false); xhr.send(); },
  'credentials': (xhr) => { xhr.open('GET', '/echo', true, 'user', 'word'); xhr.send(); },
  'aborted': (xhr) => { xhr.open('GET', '/never'); xhr.send(); xhr.abort(); },
  'timed out': (xhr) => { xhr.open('GET', '/never'); xhr.timeout = 20; xhr.send(); },
  'not found': (xhr) => { xhr.open('GET', '/nothing'); xhr.send(); },
  'a line that breaks': (xhr) => { xhr.open('GET', '/reset'); xhr.send(); },
  'a body that breaks': (xhr) => { xhr.open('GET', '/cut'); xhr.send(); },
  'JSON': (xhr) => { xhr.open('GET', '/echo'); xhr.responseType = 'json'; xhr.send(); },
  'a document': (xhr) => { xhr.open('POST', '/echo'); xhr.send(new DOMParser().parseFromString('<p>a', 'text/html')); },
  'form data': (xhr) => { xhr.open('POST', '/length'); xhr.send(new FormData()); },
  'body that throws': (xhr) => { xhr.open('POST', '/echo'); xhr.send({ toString() { throw new RangeError('of the page'); } }); },
  'no XHR': () => XMLHttpRequest.prototype.open.call({}, 'GET', '/echo'),
  'of another frame': (xhr, { frame }) => { const other = new frame.XMLHttpRequest(); other.open('GET', '/echo?frame', false); other.send(); return other.status; },
  'open of ours on that of another frame': (xhr, { frame }) => { const other = new frame.XMLHttpRequest(); XMLHttpRequest.prototype.open.call(other, 'GET', '/echo?frame', false); XMLHttpRequest.prototype.send.call(other); return other.status; },
  'a subclass': (xhr) => { const own = new (class Own extends XMLHttpRequest { open(...args) { return super.open(...args); } })(); own.open('GET', '/echo', false); own.send(); return own.status; },
  'another origin': (xhr, { api }) => { xhr.open('POST', `${api}/echo`); xhr.send('b'); },
  'a redirect': (xhr) => { xhr.open('GET', '/redirect'); xhr.send(); },
};

/** What is there before webspan. It may note, in `window.below`, what it is given. */
export const below = {
  'nothing': '',
  'wrappers that look': `
    { const native = window.fetch; window.fetch = function (...args) { below.push(describedAll(args)); return native.apply(this, args); }; }
    for (const name of ['open', 'setRequestHeader', 'send']) { const native = XMLHttpRequest.prototype[name]; XMLHttpRequest.prototype[name] = function (...args) { if (!/^trace/.test(args[0])) below.push([name, ...args.map(described)]); return native.apply(this, args); }; }`,
  'wrappers that spread': `
    { const native = window.fetch; window.fetch = (input, init) => native(input, { ...init, headers: { ...init?.headers, 'X-CSRF': 'token' } }); }
    { const Native = XMLHttpRequest; window.XMLHttpRequest = class extends Native { send(body) { this.setRequestHeader('X-CSRF', 'token'); super.send(body); } }; }`,
  'wrappers that write and ask': `
    { const native = window.fetch; window.fetch = (input, init = {}) => { if (init && init.hasOwnProperty && !init.hasOwnProperty('credentials')) try { init.credentials = 'include'; } catch {} return native(input, init); }; }
    { const Native = XMLHttpRequest; window.XMLHttpRequest = function () { const xhr = new Native(); xhr.own = 1; return xhr; }; }`,
  'a polyfill': `
    window.Request = class Request { constructor(input, init) { init ??= {}; this.url = String(input.url ?? input); this.method = init.method ?? input.method ?? 'GET'; this.body = init.body ?? input.body; this.headers = init.headers ?? input.headers; } };
    window.fetch = (input, init) => {
      const xhr = new XMLHttpRequest();
      const promise = new Promise((resolve, reject) => {
        const request = input instanceof window.Request && !init ? input : new window.Request(input, init);
        below.push([described(request)]);
        xhr.open(request.method, request.url);
        for (const [name, value] of request.headers?.[Symbol.iterator] ? request.headers : Object.entries(request.headers ?? {})) xhr.setRequestHeader(name, value);
        xhr.onload = () => resolve(new Response(xhr.responseText, { status: xhr.status }));
        xhr.onerror = () => reject(new TypeError('Network request failed'));
        xhr.send(request.body ?? null);
      });
      promise.abort = () => xhr.abort();
      return promise;
    };`,
};

/** What comes after webspan. */
export const above = {
  'nothing': '',
  'wrappers that look': `
    { const before = window.fetch; window.fetch = function (...args) { const promise = before.apply(this, args); below.push(['gave', described(promise), Object.keys(promise ?? {}).join()]); return promise; }; }
    for (const name of ['open', 'setRequestHeader', 'send']) { const before = XMLHttpRequest.prototype[name]; XMLHttpRequest.prototype[name] = function (...args) { const given = before.apply(this, args); below.push([name, described(given)]); return given; }; }`,
};

/** What both kinds of pages have from the start. */
export const prelude = `
  window.below = [];
  const isOurs = (name, value) => /^trace(parent|state)$/i.test(String(name)) && !/^00-1{32}/.test(String(value));
  const isA = (value, type) => Object.prototype.toString.call(value) === '[object ' + type + ']';
  /** A text that says what kind of value it is, and all that a wrapper could ask of it, but for the headers that webspan was asked to add. */
  window.described = (value) => {
    const entries = (list) => JSON.stringify([...list].filter((entry) => !isOurs(entry?.[0], entry?.[1])));
    if (Object(value) !== value || typeof value === 'function') return typeof value + ' ' + String(value);
    const type = value.constructor?.name ?? 'without a prototype';
    if (isA(value, 'Headers')) return 'Headers ' + entries(value);
    if (Array.isArray(value)) return 'Array ' + entries(value);
    if (isA(value, 'Request')) return [type, value.method, value.url, value.mode, value.credentials, value.referrer, value.referrerPolicy, described(value.headers)].join(' ');
    if (isA(value, 'Location') || value[Symbol.iterator]) return type;
    const members = Reflect.ownKeys(value).filter((key) => !isOurs(key, value[key]) && !(key === 'headers' && isAllOurs(value[key])));
    return type + ' {' + members.map((key) => String(key) + (Object.prototype.propertyIsEnumerable.call(value, key) ? ': ' : ' (hidden): ') + (key === 'body' ? typeof value[key] : described(value[key]))).join(', ') + '}';
  };
  const isAllOurs = (headers) => headers === undefined || headers?.constructor === Object && Reflect.ownKeys(headers).every((name) => isOurs(name, headers[name]));
  /** The arguments of a call; an init that holds nothing but our headers stands for none. */
  window.describedAll = (args) => args.map(described).join().replace(/,(Object \\{\\}|undefined undefined|object null)$/, '');
`;

/** Runs all of them, one after the other, and gives what came of each. In the page. */
export async function play({ fetches, xhrs, api }) {
  const frame = document.body.appendChild(document.createElement('iframe')).contentWindow;
  const outcomes = {};
  const unhandled = [];
  addEventListener('unhandledrejection', (event) => unhandled.push(String(event.reason)));
  const attempt = async (name, run) => {
    let counted = 0;
    window.below.length = 0;
    let outcome;
    try {
      // A polyfill may know no signals, and wait for ever.
      outcome = await Promise.race([run({ count: () => counted++, frame, api }), new Promise((resolve) => setTimeout(resolve, 3000, 'never ended'))]);
    } catch (error) {
      outcome = `threw ${error?.name} ${error?.message ?? error}`;
    }
    outcomes[name] = { outcome, counted, below: window.below.map(String).filter((line) => !line.includes('/v1/traces')) };
  };
  for (const [name, call] of Object.entries(fetches)) {
    await attempt(`fetch: ${name}`, async (tools) => {
      const response = await call(tools);
      const body = await response.text();
      return { status: response.status, type: response.type, url: response.url, redirected: response.redirected, body };
    });
  }
  for (const [name, start] of Object.entries(xhrs)) {
    await attempt(`XHR: ${name}`, (tools) => new Promise((resolve) => {
      const xhr = new XMLHttpRequest();
      const lines = [];
      for (const type of ['readystatechange', 'loadstart', 'load', 'error', 'abort', 'timeout', 'loadend']) xhr.addEventListener(type, () => lines.push(`${type} ${xhr.readyState} ${xhr.status}`));
      try {
        lines.push(`gave ${start(xhr, tools)}`);
      } catch (error) {
        lines.push(`threw ${error}`);
      }
      const done = () => resolve({ lines, url: xhr.responseURL, body: xhr.responseType === 'json' ? JSON.stringify(xhr.response) : xhr.responseText });
      if (xhr.readyState === 4 || !xhr.readyState || lines.some((line) => /^threw/.test(line))) done();
      else xhr.addEventListener('loadend', () => setTimeout(done, 5));
    }));
  }
  outcomes['rejections that nobody has handled'] = unhandled;
  return outcomes;
}
