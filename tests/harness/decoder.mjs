// The strict decoder as a process: OTLP bytes in, flat spans and violations out. Its rules are in tests/receiver.
import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { projectDir } from '../../js/build/setup.mjs';

/**
 * @typedef {object} Verdict
 * @property {boolean} ok
 * @property {string[]} violations
 * @property {import('./receiver.mjs').ReceivedSpan[]} spans what could be decoded, also with violations
 */

/**
 * Builds the decoder where that is needed, and starts it.
 * @returns {Promise<{ judge(contentType: string, body: Uint8Array): Promise<Verdict>, close(): Promise<void> }>}
 */
export async function startDecoder() {
  const child = spawn(await builtDecoder(), { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const waiting = []; // answers come in the order of the questions
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift().resolve(JSON.parse(line)));
  ended.then((status) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`the strict decoder ended with ${status} before it answered`));
  });
  child.stdin.on('error', () => {}); // it has ended, which is told above

  return {
    judge(contentType, body) {
      return new Promise((resolve, reject) => {
        if (child.exitCode !== null) return reject(new Error('the strict decoder has ended'));
        waiting.push({ resolve, reject });
        child.stdin.write(`${JSON.stringify({ contentType, length: body.length })}\n`);
        child.stdin.write(body);
      });
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}

let built;

/** Path of the decoder's binary. cargo knows best whether it is up to date, and locks for whoever builds beside us. */
function builtDecoder() {
  built ??= (async () => {
    const args = ['build', '--quiet', '--package', 'webspan-strict-receiver', '--message-format', 'json-render-diagnostics'];
    const { stdout } = await promisify(execFile)('cargo', args, { cwd: projectDir, maxBuffer: 64 * 1024 * 1024 });
    const messages = stdout.trim().split('\n').map((line) => JSON.parse(line));
    return messages.findLast((message) => message.reason === 'compiler-artifact' && message.executable).executable;
  })();
  return built;
}
