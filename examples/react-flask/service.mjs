import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';

const keptLines = 20;
const startTimeoutMs = 60_000; // a cold start of Flask with its instrumentations on a busy machine takes some seconds
const pollMs = 100;
const graceMs = 3_000;

/** A child process with a health address. It leads a process group of its own, which ends with it, and with us. */
export class Service {
  /** Rejects when the process ends although nobody stopped it. */
  died;

  #name;
  #healthUrl;
  #child;
  #exited;
  #stopping = false;
  #lines = [];
  #killNow = () => this.#signal('SIGKILL');

  constructor({ name, command: [program, ...args], cwd, env, healthUrl }) {
    this.#name = name;
    this.#healthUrl = healthUrl;
    this.#child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#keepLines(this.#child.stdout);
    this.#keepLines(this.#child.stderr);
    this.#exited = new Promise((resolve) => {
      // 'close' comes after the last output was read, 'error' when there was nothing to start.
      this.#child.once('close', (code, signal) => resolve(`ended with ${signal ?? `code ${code}`}`));
      this.#child.once('error', (error) => resolve(`could not be started (${error.message})`));
    });
    this.died = this.#exited.then((how) => {
      if (this.#stopping) return new Promise(() => {});
      throw new Error(`The ${this.#name} ${how}. It said last:\n${this.lastLines()}`);
    });
    this.died.catch(() => {}); // it may happen while nobody waits for it
    process.once('exit', this.#killNow);
  }

  /** Resolves when the health address answers. */
  async healthy() {
    await Promise.race([this.#answers(), this.died]);
  }

  async #answers() {
    const deadlineMs = Date.now() + startTimeoutMs;
    while (Date.now() < deadlineMs && !this.#stopping) {
      const answer = await fetch(this.#healthUrl).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.ok) return;
      await sleep(pollMs);
    }
    throw new Error(`The ${this.#name} did not answer at ${this.#healthUrl} within ${startTimeoutMs} ms. It said last:\n${this.lastLines()}`);
  }

  async stop() {
    this.#stopping = true;
    this.#signal('SIGTERM');
    await Promise.race([this.#exited, sleep(graceMs, undefined, { ref: false })]);
    this.#signal('SIGKILL'); // also what it started and left behind
    await this.#exited;
    process.off('exit', this.#killNow);
  }

  lastLines() {
    return this.#lines.map((line) => `  ${this.#name} | ${line}`).join('\n');
  }

  #signal(signal) {
    if (this.#child.pid === undefined) return; // never started
    try {
      process.kill(-this.#child.pid, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error; // the whole group is gone
    }
  }

  #keepLines(stream) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (text) => {
      const lines = stripVTControlCharacters(rest + text).split('\n');
      rest = lines.pop();
      this.#lines = [...this.#lines, ...lines.filter((line) => line.trim() !== '')].slice(-keptLines);
    });
  }
}
