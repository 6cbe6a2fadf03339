// One page load, one trace; one route change, one trace.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { plain } from '../harness/receiver.mjs';
import { after, echo, events, hang, text } from '../harness/site.mjs';
import { stage as plainStage } from './stage.mjs';

const UNFINISHED = 'webspan.unfinished';
const body = '<p>Text</p>';
const quick = (options) => ({ batch: { scheduledDelayMillis: 20 }, ...options, instrumentations: { navigation: true, ...options?.instrumentations } });
const stage = (t, { options, content, ...rest } = {}) => plainStage(t, { options: quick(options), content: { body, ...content }, ...rest });

const isNavigation = ({ name }) => name === 'navigation';
const isClient = ({ kind }) => kind === 'CLIENT';
const pathOf = (span) => plain(span.attributes)['url.full'].replace(/^https?:\/\/[^/]+/, '');
const msOf = ({ startTimeUnixNano, endTimeUnixNano }) => (Number(endTimeUnixNano) - Number(startTimeUnixNano)) / 1e6;
const facts = (span) => {
  const attributes = plain(span.attributes);
  return [attributes['browser.navigation.type'], pathOf(span), attributes['browser.navigation.hash_change']];
};
const navigations = async (receiver, count) => {
  await receiver.waitUntil(() => receiver.spans.filter(isNavigation).length >= count);
  return receiver.spans.filter(isNavigation).sort((a, b) => Number(a.startTimeUnixNano) - Number(b.startTimeUnixNano));
};
/** With every span by its path: of whom it is a child. */
const below = (parent, spans) => spans.filter(({ parentSpanId, traceId }) => parentSpanId === parent.spanId && traceId === parent.traceId);
/** Quiet for so long that a route change is over. */
const rest = () => delay(250);

for (const [api, head] of [['the Navigation API', ''], ['the history', '<script>delete window.navigation</script>']]) {
  const withHead = (t, set = {}) => stage(t, { ...set, content: { ...set.content, head: head + (set.content?.head ?? '') } });

  test(`by ${api}: pushState, replaceState, back and links to fragments are route changes, the same URL is none`, async (t) => {
    // The head of the page comes before the module, which is deferred.
    const { page, receiver, complaints } = await withHead(t);
    assert.equal(await page.evaluate(() => !!window.navigation), !head);
    await page.waitForLoadState();
    const change = async (run) => {
      await page.evaluate(run);
      await rest();
    };
    await change(() => history.pushState(null, '', '/a?token=S3CR3T'));
    await change(() => history.pushState({ x: 1 }, '', '/a?token=S3CR3T'));
    await change(() => history.replaceState({ x: 2 }, '', '/a?token=S3CR3T'));
    await change(() => history.replaceState(null, '', '/b'));
    await change(() => void (location.hash = 'part'));
    await change(() => history.pushState(null, '', '/c'));
    await change(() => history.go(-1));
    await change(() => history.go(-1));
    await change(() => history.forward());
    const seen = (await navigations(receiver, 7)).map(facts);
    const fragment = (type) => (head ? undefined : type);
    assert.deepEqual(seen, [
      ['push', '/a?token=REDACTED', false],
      ['replace', '/b', false],
      [fragment('push'), '/b#part', true],
      ['push', '/c', false],
      ['traverse', '/b#part', false],
      [fragment('traverse'), '/b', true],
      [fragment('traverse'), '/b#part', true],
    ]);
    for (const span of receiver.spans.filter(isNavigation)) {
      assert.deepEqual([span.parentSpanId, span.kind, plain(span.attributes)['browser.navigation.same_document']], ['', 'INTERNAL', true]);
    }
    assert.deepEqual(complaints(), []);
  });

  test(`by ${api}: what a router asks for in the same task and while it is busy is one trace, what comes after is not`, async (t) => {
    const { page, receiver } = await withHead(t, { routes: { '/api/slow': after(150, echo()) } });
    await page.evaluate(async () => {
      await fetch('/api/before').then((response) => response.text());
      history.pushState(null, '', '/route');
      const first = fetch('/api/slow').then((response) => response.text());
      const xhr = new XMLHttpRequest();
      xhr.open('GET', '/api/xhr');
      xhr.send();
      window.instance.tracer.startSpan('render').end();
      await first;
      await new Promise((done) => setTimeout(done, 30));
      await fetch('/api/then').then((response) => response.text());
    });
    await rest();
    await page.evaluate(async () => {
      await fetch('/api/after').then((response) => response.text());
      window.instance.tracer.startSpan('after').end();
    });
    await receiver.waitForSpans(({ name }) => name === 'after');
    await receiver.waitForSpans((span) => isClient(span) && pathOf(span) === '/api/after');
    const [route] = await navigations(receiver, 1);
    assert.deepEqual(below(route, receiver.spans).map((span) => (isClient(span) ? pathOf(span) : span.name)).sort(), ['/api/slow', '/api/then', '/api/xhr', 'render']);
    const others = receiver.spans.filter((span) => span !== route && span.traceId !== route.traceId);
    assert.deepEqual(others.map((span) => [isClient(span) ? pathOf(span) : span.name, span.parentSpanId]).sort(), [['/api/after', ''], ['/api/before', ''], ['after', '']]);
    const then = receiver.spans.find((span) => isClient(span) && pathOf(span) === '/api/then');
    const overMs = (Number(route.endTimeUnixNano) - Number(then.endTimeUnixNano)) / 1e6;
    assert.ok(overMs > -5 && overMs < 60, `it ends with the last request, not when that was known: ${overMs} ms later`);
  });
}

test('a route change by navigate and intercept is one, and its handler\'s requests are below it', async (t) => {
  const { page, receiver } = await stage(t);
  await page.evaluate(async () => {
    window.navigation.addEventListener('navigate', (event) => event.intercept({ handler: () => fetch('/echo').then((response) => response.text()) }));
    await window.navigation.navigate('/app').finished;
  });
  const [route] = await navigations(receiver, 1);
  assert.deepEqual(facts(route), ['push', '/app', false]);
  await receiver.waitForSpans(isClient);
  assert.equal(below(route, receiver.spans).length, 1);
});

test('while a page loads, requests and spans of its own are below the load, but for those of an active span; a replaced URL is part of it', async (t) => {
  const { page, receiver } = await stage(t, {
    options: { instrumentations: { documentLoad: true } },
    content: {
      body: `<p>Text</p><img src="/slow.svg"><script type="module">
        history.replaceState(null, '', '/replaced');
        fetch('/echo?load');
        const xhr = new XMLHttpRequest(); xhr.open('GET', '/echo?xhr'); xhr.send();
        const own = instance.tracer.startSpan('own');
        webspan.withSpan(own, () => fetch('/echo?own'));
        own.end();
        instance.tracer.startSpan('root', { root: true }).end();
        // As a framework does it that renders once all is there.
        addEventListener('load', () => setTimeout(() => fetch('/echo?effect'), 20));
      </script>`,
    },
    routes: { '/slow.svg': after(200, text('<svg xmlns="http://www.w3.org/2000/svg"/>', { headers: { 'Content-Type': 'image/svg+xml' } })) },
  });
  const [load] = await receiver.waitForSpans(({ name }) => name === 'documentLoad');
  await receiver.waitForSpans((span) => isClient(span) && pathOf(span) === '/echo?effect');
  // Quiet for five times as long as is asked for.
  await delay(500);
  await page.evaluate(() => fetch('/echo?after').then((response) => response.text()));
  await receiver.waitForSpans((span) => isClient(span) && pathOf(span) === '/echo?after');
  const of = (path) => receiver.spans.find((span) => isClient(span) && pathOf(span) === path);
  const named = (wanted) => receiver.spans.find(({ name }) => name === wanted);
  for (const span of [of('/echo?load'), of('/echo?xhr'), of('/echo?effect'), named('own')]) assert.deepEqual([span.traceId, span.parentSpanId], [load.traceId, load.spanId]);
  assert.equal(of('/echo?own').parentSpanId, named('own').spanId);
  for (const span of [of('/echo?after'), named('root')]) assert.deepEqual([span.traceId === load.traceId, span.parentSpanId], [false, '']);
  assert.equal(receiver.spans.filter(isNavigation).length, 0);
  assert.equal(pathOf(load), '/');
});

test('a route that names itself anew while it changes is one route change, with the name that stays', async (t) => {
  const { page, receiver } = await stage(t);
  await page.evaluate(() => {
    history.pushState(null, '', '/account');
    history.replaceState(null, '', '/login');
  });
  await rest();
  await page.evaluate(() => history.pushState(null, '', '/next'));
  assert.deepEqual((await navigations(receiver, 2)).map(facts), [['push', '/login', false], ['push', '/next', false]]);
});

test('of two quick route changes each has its own requests, and the first ends with the second', async (t) => {
  const { page, receiver } = await stage(t, { routes: { '/api/*': after(100, echo()) } });
  await page.evaluate(() => {
    history.pushState(null, '', '/first');
    fetch('/api/first').then((response) => response.text());
    history.pushState(null, '', '/second');
    fetch('/api/second').then((response) => response.text());
  });
  const [first, second] = await navigations(receiver, 2);
  await receiver.waitUntil(() => receiver.spans.filter(isClient).length === 2);
  assert.deepEqual([below(first, receiver.spans).map(pathOf), below(second, receiver.spans).map(pathOf)], [['/api/first'], ['/api/second']]);
  assert.notEqual(first.traceId, second.traceId);
  assert.ok(msOf(first) < 50, `${msOf(first)} ms`);
  assert.ok(msOf(second) >= 90 && msOf(second) < 1000, `the end of a request of the first is not counted as one of the second's: ${msOf(second)} ms`);
});

test('a stream from before keeps no route change from ending; a request of its own that never ends does so for maxDurationMillis', async (t) => {
  const { page, receiver } = await stage(t, {
    options: { instrumentations: { navigation: { quietMillis: 50, maxDurationMillis: 600 } } },
    routes: { '/stream': events({ intervalMs: 20 }), '/never': hang() },
  });
  await page.evaluate(() => {
    fetch('/stream').then((response) => (window.reader = response.body.getReader()));
    // In the very same millisecond.
    history.pushState(null, '', '/quiet');
  });
  const [quiet] = await navigations(receiver, 1);
  assert.ok(msOf(quiet) < 50, `${msOf(quiet)} ms`);
  await page.evaluate(() => {
    history.pushState(null, '', '/busy');
    fetch('/never').catch(() => {});
  });
  const [, busy] = await navigations(receiver, 2);
  assert.ok(Math.abs(msOf(busy) - 600) < 1, `${msOf(busy)} ms`);
  assert.equal(plain(busy.attributes)[UNFINISHED], undefined);
});

test('quietMillis is how long a route change waits for one more request', async (t) => {
  for (const [quietMillis, wanted] of [[20, 0], [400, 1]]) {
    const { page, receiver } = await stage(t, { options: { instrumentations: { navigation: { quietMillis } } } });
    await page.evaluate(async () => {
      history.pushState(null, '', '/route');
      await new Promise((done) => setTimeout(done, 150));
      await fetch('/echo').then((response) => response.text());
    });
    const [route] = await navigations(receiver, 1);
    await receiver.waitForSpans(isClient);
    assert.equal(below(route, receiver.spans).length, wanted);
  }
});

test('a flush in the middle ends no route change', async (t) => {
  const { page, receiver } = await stage(t);
  await page.evaluate(async () => {
    history.pushState(null, '', '/route');
    await window.instance.flush();
    await fetch('/echo').then((response) => response.text());
  });
  const [route] = await navigations(receiver, 1);
  await receiver.waitForSpans(isClient);
  assert.equal(below(route, receiver.spans).length, 1);
});

test('a page that is left in the middle of a route change delivers it as unfinished while a request is', async (t) => {
  const { page, receiver, site } = await stage(t, { options: { batch: { scheduledDelayMillis: 60_000 } }, routes: { '/never': hang() } });
  // Not awaited: the page may be gone before it answers.
  page.evaluate((url) => {
    history.pushState(null, '', '/busy');
    fetch('/never').catch(() => {});
    location.href = url;
  }, site.url('/elsewhere')).catch(() => {});
  const [busy] = await navigations(receiver, 1);
  assert.equal(plain(busy.attributes)[UNFINISHED], true);
});

test('a page that is left in the middle of a quiet route change delivers it as it was', async (t) => {
  const { page, receiver, site } = await stage(t, { options: { batch: { scheduledDelayMillis: 60_000 } } });
  // Not awaited: the page may be gone before it answers.
  page.evaluate((url) => {
    history.pushState(null, '', '/quiet');
    location.href = url;
  }, site.url('/elsewhere')).catch(() => {});
  const [quiet] = await navigations(receiver, 1);
  assert.deepEqual([pathOf(quiet), plain(quiet.attributes)[UNFINISHED]], ['/quiet', undefined]);
});

test('with pageTrace: false requests are roots, and a replaced URL is still part of the load', async (t) => {
  const { page, receiver } = await stage(t, {
    options: { pageTrace: false, instrumentations: { documentLoad: true } },
    content: { body: '<p>Text</p><script type="module">history.replaceState(null, "", "/replaced"); fetch("/echo?load")</script>' },
  });
  const [load] = await receiver.waitForSpans(({ name }) => name === 'documentLoad');
  await page.evaluate(() => {
    history.pushState(null, '', '/route');
    return fetch('/echo?route').then((response) => response.text());
  });
  const [route] = await navigations(receiver, 1);
  await receiver.waitUntil(() => receiver.spans.filter(isClient).length === 2);
  for (const span of receiver.spans.filter(isClient)) assert.deepEqual([span.parentSpanId, [load.traceId, route.traceId].includes(span.traceId)], ['', false]);
  assert.deepEqual(receiver.spans.filter(isNavigation).map(pathOf), ['/route']);
  assert.equal(receiver.spans.filter(({ parentSpanId }) => parentSpanId === load.spanId).some(({ name }) => name === 'documentFetch'), true);
});

test('a route change that a span causes is below that span', async (t) => {
  const { page, receiver } = await stage(t);
  await page.evaluate(() => window.webspan.traced('click', () => history.pushState(null, '', '/route')));
  const [route] = await navigations(receiver, 1);
  const [click] = await receiver.waitForSpans(({ name }) => name === 'click');
  assert.deepEqual([route.traceId, route.parentSpanId], [click.traceId, click.spanId]);
});

test('children follow the decision of their page: none of a trace is there without the others', async (t) => {
  const { page, receiver, site, flush } = await stage(t, { options: { sampler: { ratio: 0.5 } } });
  await page.evaluate(async () => {
    for (let number = 0; number < 60; number++) {
      history.pushState(null, '', `/route/${number}`);
      await fetch(`/echo?${number}`).then((response) => response.text());
    }
  });
  await rest();
  await flush();
  await receiver.waitUntil(() => receiver.spans.filter(isNavigation).length === receiver.spans.filter(isClient).length);
  const routes = receiver.spans.filter(isNavigation);
  assert.ok(routes.length > 5 && routes.length < 55, `${routes.length} of 60`);
  for (const route of routes) assert.deepEqual(below(route, receiver.spans).map(pathOf), [pathOf(route).replace('/route/', '/echo?')]);
  const sampled = site.requestsTo('/echo').filter(({ headers }) => /[13]$/.test(headers.traceparent));
  assert.equal(sampled.length, routes.length, 'the backend is told the same');
});

test('a page that comes back from the back-forward cache is a route change of its own', async (t) => {
  // After webspan: Chromium calls the listeners of this event in their order.
  const script = '<script type="module">addEventListener("pageshow", (event) => event.persisted && fetch("/echo"))</script>';
  const { page, site, receiver } = await stage(t, { options: { instrumentations: { documentLoad: true } }, content: { body: body + script }, bfcache: true });
  const [load] = await receiver.waitForSpans(({ name }) => name === 'documentLoad');
  await page.goto(site.url('/elsewhere'));
  page.evaluate(() => history.back()).catch(() => {});
  const [back] = await navigations(receiver, 1);
  const attributes = plain(back.attributes);
  assert.deepEqual([attributes['browser.navigation.type'], attributes['browser.navigation.same_document'], pathOf(back)], ['back_forward_cache', false, '/']);
  assert.notEqual(back.traceId, load.traceId);
  const [request] = await receiver.waitForSpans(isClient);
  assert.equal(request.parentSpanId, back.spanId);
  assert.equal(site.requestsTo('/').length, 1, 'it was not loaded again');
  assert.equal(receiver.spans.filter(({ name }) => name === 'documentLoad').length, 1);
});

test('without the Navigation API, the history is given back as it was, and what others have put around it stays', async (t) => {
  const { page, receiver, flush } = await stage(t, { content: { head: '<script>delete window.navigation</script>' } });
  const seen = await page.evaluate(async () => {
    const calls = [];
    const { pushState: ours } = history;
    history.pushState = function (...args) {
      calls.push(args[2]);
      return ours.apply(this, args);
    };
    const theirs = history.pushState;
    history.pushState(null, '', '/during');
    const like = [ours.name, ours.length];
    let thrown;
    try {
      history.pushState(null, '', 'https://elsewhere.example/');
    } catch (error) {
      thrown = error.name;
    }
    await window.instance.shutdown();
    history.pushState(null, '', '/after');
    history.replaceState(null, '', '/later');
    return { calls, like, thrown, same: history.pushState === theirs, given: history.replaceState === History.prototype.replaceState, url: location.pathname };
  });
  assert.deepEqual(seen, { calls: ['/during', 'https://elsewhere.example/', '/after'], like: ['pushState', 2], thrown: 'SecurityError', same: true, given: true, url: '/later' });
  await flush();
  assert.deepEqual((await navigations(receiver, 1)).map(pathOf), ['/during']);
});

for (const [name, head] of [
  ['a frozen history', '<script>delete window.navigation; Object.freeze(history)</script>'],
  ['a variable of its own called navigation', '<script>var navigation = { currentEntry: "home" }</script>'],
]) {
  test(`a page with ${name} works as without webspan, and its requests are traced`, async (t) => {
    const { page, receiver, complaints } = await stage(t, { options: { logLevel: 'none' }, content: { head } });
    const path = await page.evaluate(async () => {
      history.pushState(null, '', '/route');
      await fetch('/echo').then((response) => response.text());
      return location.pathname;
    });
    assert.equal(path, '/route');
    await receiver.waitForSpans(isClient);
    assert.deepEqual(complaints(), []);
  });
}

test('nothing of a route change is seen after shutdown, or while there is no consent', async (t) => {
  const { page, receiver, flush } = await stage(t);
  await page.evaluate(() => {
    window.instance.setConsent(false);
    history.pushState(null, '', '/silent');
    window.instance.setConsent(true);
    history.pushState(null, '', '/silent');
    history.pushState(null, '', '/seen');
  });
  await rest();
  await flush();
  await page.evaluate(async () => {
    await window.instance.shutdown();
    history.pushState(null, '', '/gone');
  });
  await rest();
  assert.deepEqual(receiver.spans.filter(isNavigation).map(pathOf), ['/seen']);
});
