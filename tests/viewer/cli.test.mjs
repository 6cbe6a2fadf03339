import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../dist/viewer/cli.js', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url)));

function webspan(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('tells its version and how it is used', () => {
  assert.deepEqual(webspan('--version'), { status: 0, stdout: `${version}\n`, stderr: '' });
  for (const args of [[], ['--help'], ['-h']]) {
    const { status, stdout } = webspan(...args);
    assert.equal(status, 0);
    assert.match(stdout, /^Usage: webspan <command>/m);
    for (const command of ['viewer', 'doctor']) assert.match(stdout, RegExp(`^ {2}${command} `, 'm'));
  }
  const { status, stdout } = webspan('viewer', '--help');
  assert.equal(status, 0);
  assert.match(stdout, /--port <number> .*default 4318/);
  assert.match(stdout, /--max-bytes <number> +bytes of memory[^-]*default 134217728, 128 MiB/);
});

test('no argument steers the terminal that shows why it was refused, nor does a secret in it stay there', () => {
  const escapes = '\x1b]0;title\x07\x9b2J\x7f\u202e\u2028\n';
  const table = [
    [[`view${escapes}`], 'view'],
    [['https://user:SECRET@otel.example.com'], 'otel.example.com'],
    [[`--${escapes}`], '--'],
    [['viewer', '--port', `80${escapes}`], '80'],
    [['viewer', `extra${escapes}`], 'extra'],
    [['viewer', `--host${escapes}`], '--host'],
    [['viewer', 'https://otel.example.com/?api_key=SECRET'], 'otel.example.com'],
    [['viewer', `--hcaik01SECRET${'0a'.repeat(20)}`], 'Unknown option'],
    [['viewer', '--host', `no-such-host${escapes}.invalid`, '--port', '0'], 'webspan viewer: '],
  ];
  for (const [args, shown] of table) {
    const { status, stdout, stderr } = webspan(...args);
    assert.ok(status > 0);
    assert.equal(stdout, '');
    assert.ok(stderr.includes(shown), stderr);
    assert.doesNotMatch(stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]|SECRET|^ +at /m);
    assert.ok(stderr.trimEnd().split('\n').length <= 2, stderr);
  }
});

test('names what it does not understand, with exit code 2', () => {
  const table = [
    [['view'], /unknown command "view", wanted one of: viewer, doctor/],
    [['--verbose'], /unknown option "--verbose"/],
    [['toString'], /unknown command "toString"/],
    [['viewer', '--prot', '1'], /Unknown option '--prot'/],
    [['viewer', '--port'], /--port.* argument missing/],
    [['viewer', '--port', 'http'], /--port is "http", wanted a whole number from 0 to 65535/],
    [['viewer', '--port', '65536'], /--port is "65536"/],
    [['viewer', '--max-spans', '0'], /--max-spans is "0", wanted a whole number from 1/],
    [['viewer', '--max-bytes', '50MB'], /--max-bytes is "50MB", wanted a whole number from 1 to \d+/],
    [['viewer', '--max-bytes', '-1'], /--max-bytes/],
    [['viewer', '--max-bytes', '1e9'], /--max-bytes is "1e9"/],
    [['viewer', '--max-bytes', '9007199254740991'], /--max-bytes is "9007199254740991", wanted a whole number from 1 to \d+/],
    [['viewer', 'extra'], /Unexpected argument 'extra'/],
  ];
  for (const [args, message] of table) {
    const { status, stdout, stderr } = webspan(...args);
    assert.equal(status, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /^ +at /m, 'no stack trace');
  }
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`the viewer prints where it is, serves, and stops on ${signal}`, async (t) => {
    const child = spawn(process.execPath, [CLI, 'viewer', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const ended = once(child, 'exit');
    let url;
    for await (const line of createInterface({ input: child.stdout })) {
      url = /page +(http:\/\/127\.0\.0\.1:\d+)$/.exec(line)?.[1];
      if (url) break;
    }
    const page = await fetch(url);
    assert.match(page.headers.get('content-security-policy'), /default-src 'none'/);
    assert.match(await page.text(), /<title>webspan viewer<\/title>/);
    // A page that is open must not keep the viewer from stopping.
    const stream = await fetch(`${url}/api/stream`);
    child.kill(signal);
    assert.deepEqual(await ended, [0, null]);
    await stream.text().catch(() => undefined);
  });
}

test('says what to do when the port is taken', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address();
  const { status, stderr } = webspan('viewer', '--port', String(port));
  assert.equal(status, 1);
  assert.match(stderr, new RegExp(`port ${port} on 127\\.0\\.0\\.1 is taken`));
  assert.match(stderr, /webspan viewer --port \d+/);
});
