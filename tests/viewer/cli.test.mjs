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
