// What the doctor is told in confidence, it does not print: its output lands in logs of builds and in questions to others.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { test } from 'node:test';
import { doctor, part } from './doctor.mjs';

const ORIGIN = 'http://127.0.0.1:5000';
const KEY = 'hcaik_01SECRETsecret0123456789';
const STEERS = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]/;

/** A server that repeats to everybody what it was asked: in the status line, in headers, in the body. */
async function echo(t, more = {}) {
  const server = createServer((request, response) => {
    request.resume();
    const told = `${request.url} ${JSON.stringify(request.headers)}`.replace(/[^\x20-\x7e]/g, '');
    const key = request.headers['x-api-key'] ?? request.headers['x-honeycomb-team'] ?? '';
    response.writeHead(more.status ?? 200, {
      'Access-Control-Allow-Origin': ORIGIN,
      'Access-Control-Allow-Headers': request.headers['access-control-request-headers'] ?? '*',
      'Access-Control-Expose-Headers': told.slice(0, 500),
      'Access-Control-Max-Age': told.slice(0, 2000),
      'Content-Type': 'application/json',
      ...(more.location && { Location: `https://user:SECRETpassword@login.example.com${request.url}&token=SECRETtoken&key=${key}#access_token=SECRETfragment` }),
    });
    const message = `${told} key ${key} ${encodeURIComponent(key)} \x1b[2J\u202e\u009b`;
    response.end(JSON.stringify({ partialSuccess: { rejectedSpans: 1, errorMessage: message }, team: { name: message }, environment: { name: message }, api_key_access: { events: true, [message]: true } }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** Both forms of the output. */
async function printed(...args) {
  const outputs = [];
  for (const form of [[], ['--json']]) {
    const { stdout, stderr } = await doctor(...args, ...form);
    assert.equal(stderr, '');
    outputs.push(stdout);
    if (form.length > 0) outputs.push(...strings(JSON.parse(stdout)));
  }
  return outputs;
}

const strings = (value) => (typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(strings));

for (const [how, more] of [['a server that repeats everything', {}], ['one that redirects', { status: 302, location: true }], ['one that refuses', { status: 403 }]]) {
  test(`${how} cannot make it print what it was given`, async (t) => {
    const url = await echo(t, more);
    const outputs = await printed(
      `${url}/otlp?api_key=SECRETquery&tenant=SECRETtenant&v=1`, ORIGIN,
      '--header', `X-Api-Key: ${KEY}`, '--header', 'Authorization: Bearer SECRETbearer', '--header', 'X-Short: SECRET',
      '--backend', `${url}/api?token=SECRETbackend`, '--honeycomb', KEY, '--honeycomb-api', `${url}/?sig=SECRETsig`,
    );
    for (const output of outputs) {
      assert.doesNotMatch(output, /SECRET|hcaik_/i);
      assert.doesNotMatch(output, STEERS);
    }
    assert.match(outputs[0], /exports go to {2}http:\/\/127\.0\.0\.1:\d+\/otlp\/v1\/traces\?api_key=REDACTED&tenant=REDACTED&v=1\n/);
  });
}

test('what it refuses it names without what may be a secret in it', async () => {
  const url = 'http://127.0.0.1:1';
  const table = [
    [['https://user:SECRET@otel.example.com', ORIGIN], /otel\.example\.com.*without credentials/],
    [['https://user:SEC/RET@otel.example.com', ORIGIN], /otel\.example\.com/],
    [['https:user:SECRET@otel.example.com', ORIGIN], /<collector-url> is "…@otel/],
    [['https:\\\\user:SECRET@otel.example.com', ORIGIN], /<collector-url>/],
    [['user:SECRET@otel.example.com:4318', ORIGIN], /wanted a URL/],
    [['https://user:SECRET%40otel.example.com', ORIGIN], /<collector-url>/],
    [['ftp://otel.example.com/?token=SECRET', ORIGIN], /<collector-url> is "ftp:\/\/otel\.example\.com\/\?…"/],
    [['ftp://otel.example.com/#access_token=SECRET', ORIGIN], /<collector-url>/],
    [['https://undefined/v1?sig=SECRET', ORIGIN], /environment variable/],
    [['hcaik_01SECRETsecret0123456789', ORIGIN], /<collector-url> is "hcai…"/],
    [[url, 'https://shop.example.com/cart?token=SECRET'], /<origin> is "https:\/\/shop\.example\.com\/cart\?…"/],
    [[url, 'https://user:SECRET@shop.example.com'], /<origin>/],
    [[url, 'hcaik_01SECRETsecret0123456789'], /<origin> is "hcai…"/],
    [[url, ORIGIN, '--backend', 'https://user:SECRET@api.example.com'], /--backend/],
    [[url, ORIGIN, '--honeycomb', 'key', '--honeycomb-api', 'api?key=SECRET'], /--honeycomb-api/],
    [[url, ORIGIN, '--honeycomb', 'SECRET key'], /--honeycomb is not a key, wanted/],
    [[url, ORIGIN, '--honeycomb', 'SECRET\n'], /--honeycomb is not a key/],
    [[url, ORIGIN, '--header', 'X-Key SECRET'], /--header is not a header/],
    [[url, ORIGIN, '--header', 'X-Key: SECRET\u202e'], /--header is not a header/],
    [[url, ORIGIN, '--hcaik_01SECRETsecret0123456789'], /Unknown option/],
    [[url, ORIGIN, '--json=SECRET'], /--json/],
    [['http://\x1b]0;title\x07\u009b2J\u202e', ORIGIN], /<collector-url>/],
    [[url, 'http://a\n\x1b[2J'], /<origin>/],
  ];
  for (const [args, message] of table) {
    const { status, stdout, stderr } = await doctor(...args);
    assert.equal(status, 2, `${args.join(' ')}: ${stdout}${stderr}`);
    assert.equal(stdout, '');
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /SECRET|SEC|^ +at /m, args.join(' '));
    assert.doesNotMatch(stderr, STEERS);
    assert.equal(stderr.trimEnd().split('\n').length, 2, 'what was wrong, and where the help is');
  }
});

test('a message as long as a server likes is cut, also where it is a key of an object or no text at all', async (t) => {
  const server = createServer((request, response) => {
    request.resume();
    const deep = `${'['.repeat(9000)}${']'.repeat(9000)}`;
    response.writeHead(200, { 'Access-Control-Allow-Origin': ORIGIN, 'Access-Control-Allow-Headers': `content-type, ${'x'.repeat(7000)}`, 'Content-Type': 'application/json' });
    response.end(`{"partialSuccess":{"rejectedSpans":${deep},"errorMessage":${deep}},"team":{"name":${deep}},"api_key_access":{"events":true,"${'k'.repeat(5000)}":true}}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}`;
  const { status, stdout, stderr } = await doctor(url, ORIGIN, '--honeycomb', 'key', '--honeycomb-api', url, '--json');
  assert.equal(stderr, '');
  assert.ok(status === 0 || status === 1);
  for (const { found } of JSON.parse(stdout).findings) assert.ok(found.length <= 1001, `${found.length}`);
});

test('a secret is found again in the forms that servers repeat it in', async () => {
  const { Secrets } = await part('secrets');
  const secrets = new Secrets((text) => text.replace(/(token=)[^&]*/g, '$1REDACTED'));
  secrets.add('Bearer ab/cd+ef==');
  secrets.add('session=s3cr3tcookie; theme=dark');
  secrets.add(`Basic ${Buffer.from('user:pass word').toString('base64')}`);
  secrets.addQuery(new URL('https://x.example/?dataset=web&ingest=0123456789&token=abcde'));
  for (const [text, hidden] of [
    ['Bearer ab/cd+ef==', 'REDACTED'],
    ['"AB/CD+EF==" is unknown', '"REDACTED" is unknown'],
    [`/login?next=${encodeURIComponent('ab/cd+ef==')}`, '/login?next=REDACTED'],
    [`Basic ${Buffer.from('ab/cd+ef==').toString('base64')}`, 'Basic REDACTED'],
    ['web 0123456789 abcde', 'web REDACTED REDACTED'],
    ['to https://y.example/?token=new; and on', 'to https://y.example/?token=REDACTED and on'],
    ['Bearer is wanted', 'Bearer is wanted'],
    ['no session s3cr3tcookie', 'no session REDACTED'],
    ['"pass word" is wrong for user', '"REDACTED" is wrong for user'],
  ]) assert.equal(secrets.hide(text), hidden);
  assert.equal(secrets.url(new URL('https://x.example/otlp?dataset=web&ingest=0123456789#part')), 'https://x.example/otlp?dataset=web&ingest=REDACTED');
});
