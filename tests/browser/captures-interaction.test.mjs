// User interactions: which events become a span, what hangs below it, what is said of its target, and what is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plain } from '../harness/receiver.mjs';
import { after, text } from '../harness/site.mjs';
import { stage } from './stage.mjs';

const scopeOf = (span) => span.scope.name.replace('webspan/', '');
const isInteraction = (span) => scopeOf(span) === 'userInteraction';
const isRequest = (span) => span.kind === 'CLIENT';
const durationMs = (span) => Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6;

/** A page with this body, whose scripts run after webspan has started. */
const interactive = (t, body, { captures = '[userInteraction()]', ...set } = {}) =>
  stage(t, { captures, content: { body }, routes: { '/slow': after(150, text('x')) }, ...set });

/** All spans, after all that was asked for has come. */
async function spansOf({ page, receiver, flush }) {
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 30)));
  await page.waitForLoadState('networkidle');
  // Resource timing tells of a body's end a little later.
  await page.waitForTimeout(50);
  await flush();
  return { interactions: receiver.spans.filter(isInteraction), requests: receiver.spans.filter(isRequest), all: receiver.spans };
}

/** By the mouse, on the left end of an element: Playwright's own way asks forms for members that fields may have the names of. */
async function clickAt(page, selector) {
  const { x, y, height } = await page.evaluate((text) => document.querySelector(text).getBoundingClientRect().toJSON(), selector);
  await page.mouse.click(x + 3, y + height / 2);
}

/** What the listeners of a page do: asks for this path, and reads the answer. */
const ask = (path = '/echo') => `fetch('${path}').then((response) => response.text())`;

test('a click is the parent of the request that its listener makes, and ends with it', async (t) => {
  const staged = await interactive(t, `<button id="buy" onclick="${ask('/slow')}">Buy</button>`);
  await staged.page.click('#buy');
  await staged.page.waitForTimeout(250);
  const { interactions, requests } = await spansOf(staged);
  assert.deepEqual([interactions.length, requests.length], [1, 1]);
  const [[click], [request]] = [interactions, requests];
  assert.equal(click.name, 'click');
  assert.equal(click.kind, 'INTERNAL');
  assert.equal(click.parentSpanId, '');
  assert.equal(request.parentSpanId, click.spanId);
  assert.equal(request.traceId, click.traceId);
  assert.ok(BigInt(click.startTimeUnixNano) <= BigInt(request.startTimeUnixNano));
  assert.ok(durationMs(click) >= 140 && durationMs(click) < 1000, `${durationMs(click)} ms: as long as the request`);
  assert.ok(BigInt(click.endTimeUnixNano) - BigInt(request.endTimeUnixNano) < 100_000_000n, 'not longer');
  assert.deepEqual(plain(click.attributes), {
    'url.full': staged.site.url('/'),
    event_type: 'click',
    target_element: 'button',
    'webspan.target.role': 'button',
    'app.widget.name': 'Buy',
    'webspan.target.selector': 'button#buy',
  });
  assert.deepEqual(staged.complaints(), []);
});

test('a click that causes nothing leaves nothing, whatever the page says about it', async (t) => {
  const staged = await interactive(t, `<button>Nothing</button><script>
    document.querySelector('button').addEventListener('click', () => window.webspan.activeSpan().setAttribute('noted', true));
  </script>`);
  await staged.page.click('button');
  await staged.page.click('button');
  await staged.page.waitForTimeout(50);
  await staged.page.evaluate((path) => fetch(path).then((response) => response.text()), '/echo');
  const { interactions, requests } = await spansOf(staged);
  assert.equal(interactions.length, 0);
  assert.equal(requests[0].parentSpanId, '', 'a later request is not its doing');
  assert.equal(await staged.page.evaluate(() => window.instance.stats().ended), 1);
});

test('what the page says about an interaction stays with it', async (t) => {
  const staged = await interactive(t, `<button>Noted</button><script>
    document.querySelector('button').addEventListener('click', () => {
      window.webspan.activeSpan().setAttribute('noted', 1).addEvent('before').updateName('named');
      ${ask()};
      window.webspan.activeSpan().setAttribute('later', 2);
    });
  </script>`);
  await staged.page.click('button');
  const { interactions: [click] } = await spansOf(staged);
  assert.equal(click.name, 'named');
  assert.equal(plain(click.attributes).noted, 1);
  assert.equal(plain(click.attributes).later, 2);
  assert.deepEqual(click.events.map(({ name }) => name), ['before']);
});

test('all that a listener starts hangs below: fetch, XHR, in microtasks, spans of the page, errors', async (t) => {
  const staged = await interactive(
    t,
    `<button>All</button><script>
      const button = document.querySelector('button');
      button.addEventListener('click', async () => {
        const xhr = new XMLHttpRequest();
        xhr.open('GET', '/echo?xhr');
        xhr.send();
        await null;
        await null;
        ${ask('/echo?microtask')};
      });
      button.addEventListener('click', () => window.webspan.traced('own', () => ${ask('/echo?nested')}));
      button.addEventListener('click', () => { throw new Error('of the page'); });
    </script>`,
    { options: { instrumentations: { errors: true } } },
  );
  await staged.page.click('button');
  const { interactions, all } = await spansOf(staged);
  assert.equal(interactions.length, 1);
  const below = all.filter((span) => span.parentSpanId === interactions[0].spanId).map((span) => scopeOf(span));
  assert.deepEqual(below.sort(), ['errors', 'fetch', 'webspan', 'xhr']);
  const own = all.find(({ name }) => name === 'own');
  assert.equal(all.find((span) => plain(span.attributes)['url.full']?.endsWith('?nested')).parentSpanId, own.spanId);
});

test('what comes after the event is not its doing', async (t) => {
  const staged = await interactive(t, `<button onclick="${ask()}; setTimeout(() => ${ask('/echo?later')})">Later</button>`);
  await staged.page.click('button');
  const { interactions: [click], requests } = await spansOf(staged);
  const parents = Object.fromEntries(requests.map((span) => [new URL(plain(span.attributes)['url.full']).search, span.parentSpanId]));
  assert.deepEqual(parents, { '': click.spanId, '?later': '' });
});

test('events that are stopped on their way are interactions too, and what comes after them is not their doing', async (t) => {
  const staged = await interactive(t, `<button id="stopped">Stop</button><button id="immediate">Immediate</button><script>
    // Before any timer.
    const unrelated = () => scheduler.postTask(() => { window.found = !!window.webspan.activeSpan(); ${ask('/echo?unrelated')}; }, { priority: 'user-blocking' });
    stopped.addEventListener('click', (event) => { event.stopPropagation(); ${ask('/echo?stop')}; unrelated(); });
    immediate.addEventListener('click', (event) => { event.stopImmediatePropagation(); ${ask('/echo?immediate')}; });
  </script>`);
  await staged.page.click('#stopped');
  await staged.page.waitForTimeout(50);
  await staged.page.click('#immediate');
  const { interactions, requests } = await spansOf(staged);
  assert.equal(interactions.length, 2);
  const parentOf = (query) => requests.find((span) => plain(span.attributes)['url.full'].endsWith(query)).parentSpanId;
  assert.equal(parentOf('?stop'), interactions[0].spanId);
  assert.equal(parentOf('?unrelated'), '');
  assert.equal(await staged.page.evaluate(() => window.found), true, 'otherwise this has tested nothing');
  assert.equal(parentOf('?immediate'), interactions[1].spanId);
});

test('a stopped event leaves no listener behind that a later one of its kind would call', async (t) => {
  const staged = await interactive(t, `<button id="stop" onclick="event.stopPropagation()">Stop</button><button id="nothing">Nothing</button>`);
  await staged.page.click('#stop');
  await staged.page.waitForTimeout(100);
  await staged.page.click('#nothing');
  assert.deepEqual((await spansOf(staged)).all, []);
});

test('a click that submits a form, changes a field, or is on a label is one interaction with what follows from it', async (t) => {
  const staged = await interactive(t, `
    <form onsubmit="event.preventDefault(); ${ask('/echo?submit')}"><button name="getAttribute">Send</button><input name="matches"></form>
    <label id="label">Agree <input type="checkbox" onchange="${ask('/echo?change')}"></label>`);
  await clickAt(staged.page, 'button');
  await staged.page.waitForTimeout(50);
  await clickAt(staged.page, '#label');
  const { interactions, requests } = await spansOf(staged);
  assert.deepEqual(interactions.map((span) => [span.name, plain(span.attributes)['app.widget.name']]), [['click', 'Send'], ['click', 'Agree']]);
  assert.deepEqual(requests.map((span) => span.parentSpanId), interactions.map((span) => span.spanId));
});

test('a click by the keyboard is a click, and the form it submits belongs to it', async (t) => {
  const staged = await interactive(t, `<button id="key" onclick="${ask('/echo?key')}">Press</button>
    <form onsubmit="event.preventDefault(); ${ask('/echo?enter')}"><input id="field"><button>Go</button></form>`);
  await staged.page.focus('#key');
  await staged.page.keyboard.press('Enter');
  await staged.page.waitForTimeout(50);
  await staged.page.focus('#field');
  await staged.page.keyboard.press('Enter');
  const { interactions, requests } = await spansOf(staged);
  assert.deepEqual(interactions.map((span) => plain(span.attributes)['app.widget.name']), ['Press', 'Go']);
  assert.deepEqual(requests.map((span) => span.parentSpanId), interactions.map((span) => span.spanId));
});

test('a listener that works for 50 ms makes a span as long as that, without any request', async (t) => {
  const staged = await interactive(t, '<button onclick="const end = performance.now() + 80; while (performance.now() < end);">Busy</button>');
  await staged.page.click('button');
  const { interactions } = await spansOf(staged);
  assert.equal(interactions.length, 1);
  assert.ok(durationMs(interactions[0]) >= 79, `${durationMs(interactions[0])} ms`);
});

test('a route change hangs below the click that makes it', async (t) => {
  const staged = await interactive(t, `<a href="/cart" onclick="event.preventDefault(); history.pushState(null, '', '/cart')">Cart</a>`, {
    options: { instrumentations: { navigation: true } },
  });
  await staged.page.click('a');
  await staged.page.waitForTimeout(200);
  const { interactions: [click], all } = await spansOf(staged);
  const navigation = all.find((span) => scopeOf(span) === 'navigation');
  assert.equal(navigation.parentSpanId, click.spanId);
  assert.equal(navigation.traceId, click.traceId);
});

test('a span that was handed on is the parent of what comes later', async (t) => {
  const staged = await interactive(t, `<button>Later</button><script>
    document.querySelector('button').addEventListener('click', async () => {
      const span = window.webspan.activeSpan();
      await new Promise((resolve) => setTimeout(resolve, 60));
      window.webspan.withSpan(span, () => ${ask()});
    });
  </script>`);
  await staged.page.click('button');
  await staged.page.waitForTimeout(120);
  const { interactions: [click], requests: [request] } = await spansOf(staged);
  assert.equal(request.parentSpanId, click.spanId);
  assert.ok(durationMs(click) >= 60 && BigInt(click.endTimeUnixNano) + 100_000_000n >= BigInt(request.endTimeUnixNano));
});

test('one that is handed on to a span alone ends too', async (t) => {
  const staged = await interactive(t, `<button>Later</button><script>
    document.querySelector('button').addEventListener('click', () => {
      const span = window.webspan.activeSpan();
      setTimeout(() => window.webspan.withSpan(span, () => window.webspan.traced('late', () => {})), 60);
    });
  </script>`, { options: { batch: { scheduledDelayMillis: 30 } } });
  await staged.page.click('button');
  // Without a flush, which would end it.
  const [click] = await staged.receiver.waitForSpans(isInteraction);
  const [late] = await staged.receiver.waitForSpans(({ name }) => name === 'late');
  assert.equal(late.parentSpanId, click.spanId);
});

test('a click from a script is one of its own, or a part of the listener or the span that makes it', async (t) => {
  const staged = await interactive(t, `<button id="a" onclick="b.click()">A</button><button id="b" onclick="${ask()}">B</button>`);
  await staged.page.evaluate(() => {
    document.querySelector('#b').click();
    window.webspan.traced('own', () => document.querySelector('#b').click());
  });
  await staged.page.waitForTimeout(30);
  await staged.page.click('#a');
  const { interactions, requests, all } = await spansOf(staged);
  const own = all.find(({ name }) => name === 'own');
  assert.deepEqual(interactions.map((span) => plain(span.attributes)['app.widget.name']), ['B', 'B', 'A']);
  assert.deepEqual(interactions.map((span) => span.parentSpanId), ['', own.spanId, '']);
  assert.deepEqual(requests.map((span) => span.parentSpanId), interactions.map((span) => span.spanId));
});

test('other events are interactions where the page says so, and shouldPreventSpanCreation has the last word', async (t) => {
  const staged = await interactive(
    t,
    `<input id="search" onkeydown="${ask('/echo?key')}"><button class="quiet" onclick="${ask('/echo?quiet')}">Quiet</button>
     <button id="loud" onclick="${ask('/echo?loud')}">Loud</button>`,
    {
      captures: `userInteraction({
        eventNames: ['click', 'keydown'],
        shouldPreventSpanCreation(type, element, span) {
          (window.asked ??= []).push(type + ' ' + element.localName);
          span.setAttribute('hooked', type);
          if (element.id === 'loud') throw new Error('of the hook');
          return element.className === 'quiet';
        },
      })`,
    },
  );
  await staged.page.focus('#search');
  await staged.page.keyboard.press('s');
  await staged.page.click('.quiet');
  await staged.page.click('#loud');
  const { interactions, requests } = await spansOf(staged);
  assert.deepEqual(interactions.map((span) => [span.name, plain(span.attributes).hooked]), [['keydown', 'keydown'], ['click', 'click']]);
  assert.deepEqual(requests.map((span) => span.parentSpanId), [interactions[0].spanId, '', interactions[1].spanId]);
  assert.deepEqual(await staged.page.evaluate(() => window.asked), ['keydown input', 'click button', 'click button']);
  assert.match(staged.consoleWarnings.join(), /of the hook/);
});

test('what is said of a target: its name for those who use it, and never what they have written', async (t) => {
  const targets = {
    aria: '<button aria-label="Close">×</button>',
    labelledby: '<span id="title">Cart</span><button aria-labelledby="title">x</button>',
    nested: '<button><b>Add</b> <img alt="to cart" src="data:,"></button>',
    svg: '<button title="Menu"><svg width="20" height="20"><path d="M0 0h20v20H0z"/></svg></button>',
    svgAlone: '<svg width="20" height="20" role="button"><title>Zoom</title><rect width="20" height="20"/></svg>',
    link: '<a href="#x"><i>Read more</i></a>',
    field: '<label for="mail">E-mail</label><input id="mail" value="SECRET">',
    submit: '<input type="submit" value="SECRET">',
    password: '<input type="password" aria-label="SECRET" placeholder="SECRET" value="SECRET">',
    note: '<div contenteditable role="textbox">SECRET <b>SECRET</b></div>',
    inNote: '<div contenteditable><button contenteditable="false" class="in-note">fine</button></div>',
    text: '<textarea>SECRET</textarea>',
    select: '<select aria-label="Colour"><option>SECRET</option></select>',
    buttonWithNote: '<div role="button"><span>Edit</span><span contenteditable>SECRET</span></div>',
    long: `<div role="listitem">${'SECRET '.repeat(20)}</div>`,
    empty: '<button></button>',
    testId: '<div data-testid="row-7"><button class="icon small extra">Remove</button></div>',
  };
  const body = Object.entries(targets).map(([id, html]) => `<section id="p-${id}">${html}</section>`).join('');
  const staged = await interactive(t, `<style>button,svg{min-width:20px;min-height:20px}</style>${body}<script>addEventListener('click', (event) => { event.preventDefault(); ${ask()}; })</script>`);
  const inside = { nested: 'b', svg: 'path', svgAlone: 'rect', link: 'i', note: 'b', field: 'input', inNote: 'button', buttonWithNote: 'span[contenteditable]', testId: 'button' };
  const seen = {};
  for (const id of Object.keys(targets)) {
    await staged.page.locator(`#p-${id} ${inside[id] ?? '> *:last-child'}`).first().dispatchEvent('click');
    await staged.page.waitForTimeout(20);
  }
  const { interactions } = await spansOf(staged);
  interactions.sort((a, b) => (a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1));
  for (const id of Object.keys(targets)) {
    const attributes = plain(interactions[Object.keys(seen).length].attributes);
    seen[id] = [attributes.target_element, attributes['webspan.target.role'], attributes['app.widget.name'], attributes['app.widget.id']];
  }
  assert.deepEqual(seen, {
    aria: ['button', 'button', 'Close', undefined],
    labelledby: ['button', 'button', 'Cart', undefined],
    nested: ['button', 'button', 'Add to cart', undefined],
    svg: ['button', 'button', 'Menu', undefined],
    svgAlone: ['svg', 'button', 'Zoom', undefined],
    link: ['a', 'link', 'Read more', undefined],
    field: ['input', 'textbox', 'E-mail', undefined],
    submit: ['input', 'button', undefined, undefined],
    password: ['input', 'textbox', undefined, undefined],
    note: ['div', 'textbox', undefined, undefined],
    inNote: ['button', 'button', undefined, undefined],
    text: ['textarea', 'textbox', undefined, undefined],
    select: ['select', 'combobox', 'Colour', undefined],
    buttonWithNote: ['div', 'button', 'Edit', undefined],
    long: ['div', 'listitem', undefined, undefined],
    empty: ['button', 'button', undefined, undefined],
    testId: ['button', 'button', 'Remove', 'row-7'],
  });
  assert.ok(!JSON.stringify(staged.receiver.spans).includes('SECRET'));
  assert.equal(plain(interactions.at(-1).attributes)['webspan.target.selector'], 'section#p-testId > div > button.icon.small');
});

/** The names and selectors of one click on each of these, by what they are called; `at`: what is clicked in it. */
async function told(t, targets) {
  const body = Object.entries(targets).map(([id, [html]]) => `<section id="p-${id}">${html}</section>`).join('');
  const staged = await interactive(t, `${body}<script>addEventListener('click', (event) => { event.preventDefault(); ${ask()}; })</script>`);
  await staged.page.evaluate(async (all) => {
    for (const [id, at] of all) {
      document.querySelector(`#p-${id}`).querySelector(at).dispatchEvent(new MouseEvent('click', { bubbles: true, composed: true, cancelable: true }));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }, Object.entries(targets).map(([id, [, at]]) => [id, at]));
  const { interactions } = await spansOf(staged);
  interactions.sort((a, b) => (a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1));
  const names = Object.fromEntries(Object.keys(targets).map((id, index) => [id, plain(interactions[index].attributes)['app.widget.name']]));
  return { names, spans: JSON.stringify(staged.receiver.spans) };
}

test('what a page shows of its users and their data is no name of a target', async (t) => {
  const { names, spans } = await told(t, {
    paragraph: ['<p>SECRET</p>', 'p'],
    cell: ['<table><tr><td>SECRET</td></tr></table>', 'td'],
    linkInCell: ['<table><tr><td><a href="#u">SECRET</a></td></tr></table>', 'a'],
    gridcell: ['<div role="grid"><div role="row"><div role="gridcell"><button>SECRET</button></div></div></div>', 'button'],
    row: ['<div role="row">SECRET</div>', 'div'],
    listitem: ['<div role="listitem">SECRET</div>', 'div'],
    treeitem: ['<div role="treeitem">SECRET</div>', 'div'],
    option: ['<div role="listbox"><div role="option">SECRET</div></div>', '[role=option]'],
    heading: ['<h2 role="heading">SECRET</h2>', 'h2'],
    log: ['<div role="log"><button>SECRET</button></div>', 'button'],
    presentation: ['<div role="presentation"><pre role="presentation">SECRET</pre></div>', 'pre'],
    drawing: ['<svg role="img"><text>SECRET</text></svg>', 'text'],
    labelledByText: ['<p id="said">SECRET</p><button aria-labelledby="said"></button>', 'button'],
    labelledByCell: ['<table><tr><td><b id="who">SECRET</b></td></tr></table><button aria-labelledby="who"></button>', 'button'],
    maskedButton: ['<button data-private>SECRET</button>', 'button'],
    inMasked: ['<div class="fs-mask"><button aria-label="SECRET">SECRET</button></div>', 'button'],
    noCapture: ['<button class="ph-no-capture" title="SECRET"></button>', 'button'],
  });
  assert.deepEqual(Object.values(names).filter(Boolean), []);
  assert.ok(!spans.includes('SECRET'));
});

test('what looks like a mail address or a long number is no name of a target, whoever wrote it', async (t) => {
  const { names, spans } = await told(t, {
    mailButton: ['<button>jane.doe@corp.example</button>', 'button'],
    mailLink: ['<a href="mailto:jane.doe@corp.example">Write to jane.doe@corp.example</a>', 'a'],
    handle: ['<a href="#u">@janedoe</a>', 'a'],
    iban: ['<button>DE89 3704 0044 0532 0130 00</button>', 'button'],
    britishIban: ['<button>GB82 WEST 1234 5698 7654 32</button>', 'button'],
    card: ['<button>4111-1111-1111-1111</button>', 'button'],
    phone: ['<a href="tel:1">+49 (0)89 / 123 456</a>', 'a'],
    account: ['<div role="tab">Account 90012345</div>', 'div'],
    label: ['<button aria-label="Remove jane.doe@corp.example"></button>', 'button'],
    title: ['<button title="Call +1 555 010 9999"></button>', 'button'],
    fieldLabel: ['<label>jane.doe@corp.example <input type="checkbox"></label>', 'input'],
    selector: ['<div id="user-jane.doe@corp.example"><button class="to-jane.doe@corp.example">Send</button></div>', 'button'],
    testId: ['<div data-testid="row-jane.doe@corp.example"><button>Open</button></div>', 'button'],
  });
  assert.deepEqual(Object.entries(names).filter(([, name]) => name), [['selector', 'Send'], ['testId', 'Open']]);
  // With what stands between the digits: ids and times of spans are full of digits.
  assert.doesNotMatch(spans, /jane|3704 0044|DE89|1234 5698|GB82|1111-1111|123 456|90012345|555 010/);
});

test('what the author has written stays the name of a target', async (t) => {
  const { names } = await told(t, {
    tab: ['<div role="tab">Page 12 of 3400</div>', 'div'],
    item: ['<ul role="menu"><li role="none"><a role="menuitem" href="#x">Log out</a></li></ul>', 'a'],
    navigation: ['<nav><ul><li><a href="#x">Orders</a></li></ul></nav>', 'a'],
    toggle: ['<button role="switch">Dark mode</button>', 'button'],
    price: ['<button>Pay €49.99</button>', 'button'],
    inCell: ['<table><tr><td><button aria-label="Delete row">x</button></td></tr></table>', 'button'],
    cellByLabel: ['<div role="gridcell" aria-label="Total">12</div>', 'div'],
    summary: ['<details><summary>More</summary></details>', 'summary'],
  });
  assert.deepEqual(names, {
    tab: 'Page 12 of 3400',
    item: 'Log out',
    navigation: 'Orders',
    toggle: 'Dark mode',
    price: 'Pay €49.99',
    inCell: 'Delete row',
    cellByLabel: 'Total',
    summary: 'More',
  });
});

test('what is written in a shadow tree of something that can be edited stays there', async (t) => {
  const staged = await interactive(t, `<div contenteditable id="host"></div><div class="sentry-mask" id="masked"></div><script>
    for (const host of [document.querySelector('#host'), document.querySelector('#masked')]) {
      host.attachShadow({ mode: 'open' }).innerHTML = '<p><button aria-describedby="x">SECRET</button></p>';
    }
    addEventListener('click', () => ${ask()});
  </script>`);
  await staged.page.click('#host button');
  await staged.page.click('#masked button');
  const { interactions } = await spansOf(staged);
  assert.deepEqual(interactions.map(({ attributes }) => plain(attributes)['app.widget.name']), [undefined, undefined]);
  assert.ok(!JSON.stringify(staged.receiver.spans).includes('SECRET'));
});

test('targets in shadow trees, targets that are removed, and forms whose fields have the names of members', async (t) => {
  const staged = await interactive(t, `<shop-item></shop-item><button id="gone">Gone</button>
    <form id="form" style="padding: 20px"><input name="localName"><input name="getAttribute"><input name="matches"><input name="closest"><input name="id"></form>
    <script>
      document.querySelector('shop-item').attachShadow({ mode: 'open' }).innerHTML = '<button id="inner">Inner</button>';
      addEventListener('click', () => ${ask()});
      gone.addEventListener('click', () => { gone.textContent = 'Changed'; gone.remove(); });
    </script>`);
  await staged.page.click('#inner');
  await staged.page.click('#gone');
  await clickAt(staged.page, '#form');
  await staged.page.evaluate(() => document.dispatchEvent(new Event('click', { bubbles: true })));
  const { interactions } = await spansOf(staged);
  const seen = interactions.map(({ attributes }) => [plain(attributes).target_element, plain(attributes)['app.widget.name'], plain(attributes)['webspan.target.selector']]);
  assert.deepEqual(seen, [
    ['button', 'Inner', 'button#inner'],
    ['button', 'Gone', 'button#gone'],
    ['form', undefined, 'form#form'],
    [undefined, undefined, undefined],
  ]);
  assert.deepEqual(staged.complaints(), []);
});

test('a page that replaces what it can replace gets no exception from a click', async (t) => {
  const staged = await interactive(t, `<button onclick="window.clicked = true; ${ask()}">Hostile</button><script>
    const fail = () => { throw new Error('hostile'); };
    Element.prototype.matches = Element.prototype.getAttribute = Event.prototype.composedPath = Document.prototype.createTreeWalker = fail;
    Object.defineProperty(Event.prototype, 'eventPhase', { get: fail });
  </script>`);
  await staged.page.click('button');
  await staged.page.waitForTimeout(50);
  assert.equal(await staged.page.evaluate(() => window.clicked), true);
  assert.deepEqual(staged.pageErrors, []);
  assert.match(staged.consoleWarnings.join(), /hostile/);
  assert.equal((await spansOf(staged)).requests.length, 1);
});

test('the secrets of the page\'s URL stay in the page', async (t) => {
  const staged = await interactive(t, `<button onclick="${ask()}">Go</button>`);
  await staged.page.evaluate(() => history.replaceState(null, '', '/?token=SECRET'));
  await staged.page.click('button');
  const { interactions: [click] } = await spansOf(staged);
  assert.equal(plain(click.attributes)['url.full'], staged.site.url('/?token=REDACTED'));
});

test('an interaction whose request is under way when the page goes is delivered as unfinished', async (t) => {
  const staged = await interactive(t, `<button onclick="fetch('/never')">Never</button>`, { routes: { '/never': () => {} } });
  await staged.page.click('button');
  await staged.page.goto(staged.site.url('/elsewhere'));
  const [click] = await staged.receiver.waitForSpans(isInteraction);
  assert.equal(plain(click.attributes)['webspan.unfinished'], true);
});

test('shutdown leaves no listener behind', async (t) => {
  const staged = await interactive(t, '<button>Go</button>');
  const { page } = staged;
  const session = await page.context().newCDPSession(page);
  const listenersOf = async () => {
    const { result } = await session.send('Runtime.evaluate', { expression: 'window' });
    const { listeners } = await session.send('DOMDebugger.getEventListeners', { objectId: result.objectId });
    return listeners.filter(({ type }) => /click|submit|reset|input|change/.test(type)).length;
  };
  assert.equal(await listenersOf(), 5);
  await page.click('button');
  assert.equal(await listenersOf(), 5, 'nor does a click');
  await page.evaluate(() => window.instance.shutdown());
  assert.equal(await listenersOf(), 0);
});

test('after shutdown a click is a click', async (t) => {
  const staged = await interactive(t, `<button onclick="${ask()}; window.active = !!window.webspan.activeSpan()">Go</button>`);
  await staged.page.evaluate(() => window.instance.shutdown());
  await staged.page.click('button');
  assert.equal(await staged.page.evaluate(() => window.active), false);
  await staged.page.waitForTimeout(30);
  assert.deepEqual(staged.receiver.spans, []);
});
