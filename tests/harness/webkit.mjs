// WebKit, the engine of Safari, as GNOME builds it: driven by plain WebDriver, in a display that is not there.
// https://www.w3.org/TR/webdriver2/
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureWebKit } from '../../js/build/setup.mjs';

/** A WebKit with one tab, whose page has the functions of Puppeteer's that tests of several engines use; `undefined` where there is none. */
export async function launchWebKit() {
  const executablePath = ensureWebKit();
  if (!executablePath) return undefined;
  const port = await freePort();
  const env = { ...process.env, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' };
  // In a process group of its own, with the display and the browser.
  const driver = spawn('xvfb-run', ['-a', 'WebKitWebDriver', '--host=127.0.0.1', `--port=${port}`], { env, stdio: 'ignore', detached: true });
  const stop = () => process.kill(-driver.pid);
  process.once('exit', stop);
  const call = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30_000) });
    const { value } = await response.json();
    if (value?.error) throw new Error(`${value.error}: ${value.message}`);
    return value;
  };
  for (let attempt = 0; !(await call('GET', '/status').catch(() => undefined)); attempt++) {
    if (attempt > 100) throw new Error('WebKitWebDriver does not answer');
    await delay(100);
  }
  const options = { binary: executablePath, args: ['--automation'] };
  const { sessionId } = await call('POST', '/session', { capabilities: { alwaysMatch: { 'webkitgtk:browserOptions': options } } });
  const session = `/session/${sessionId}`;
  const page = {
    goto: (url) => call('POST', `${session}/url`, { url }),
    /** Like Puppeteer's, without arguments. */
    async evaluate(run) {
      const script = `const done = arguments[0]; Promise.resolve((${run})()).then((value) => done({ value }), (error) => done({ thrown: String(error) }));`;
      const { value, thrown } = await call('POST', `${session}/execute/async`, { script, args: [] });
      if (thrown) throw new Error(thrown);
      return value;
    },
    async click(selector) {
      const element = await call('POST', `${session}/element`, { using: 'css selector', value: selector });
      await call('POST', `${session}/element/${Object.values(element)[0]}/click`, {});
    },
    close: () => page.goto('about:blank'),
  };
  return {
    newPage: async () => page,
    async close() {
      await call('DELETE', session);
      process.off('exit', stop);
      stop();
      await once(driver, 'exit');
    },
  };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
