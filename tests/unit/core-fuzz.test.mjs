// Random calls of everything that the core exports, with odd numbers and in any order: it never traps, and its accounting is always right.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectDir } from '../../js/build/setup.mjs';
import { firstSeed, fuzzSeconds, randomFrom } from '../harness/fuzz.mjs';

const work = join(projectDir, '.cache/build');
const short = JSON.parse(readFileSync(join(work, 'names.json'), 'utf8'));

/** Calls in one run, each with a core of its own. */
const CALLS = 3000;
/** Far more than a queue of small spans takes. */
const MAX_MEMORY_BYTES = 128 * 1024 * 1024;
/** Of `Counts` in src/delivery.rs. */
const [ENDED, RESENT, LOSSES, OPEN] = [0, 5, 7, 17];
const ODD = [NaN, Infinity, -Infinity, 0, -0, -1, -2, -3, -4, -5, 0.5, -0.5, 1, 2, 3, 255, 256, 65_535, 65_536, 2 ** 30, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 32 - 1, 2 ** 32, 2 ** 53, 1e300, -1e300, 1.7e12, undefined];
const TEXTS = ['', 'a', 'http.request.method', 'GET', 'https://user:secret@example.com/a?token=b#c', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'vendor=1,other=2', 'ü€😀', '\0', 'x'.repeat(300), 'y'.repeat(9000)];

for (const [name, start, share] of [
  ['WebAssembly', async () => (await import(join(work, 'core.js'))).initSync(readFileSync(join(work, 'core.wasm'))), 0.6],
  ['JavaScript', async () => (await import(join(work, 'core-in-js-glue.js'))).initSync(), 0.4],
]) {
  test(`random calls leave the core in ${name} whole, and each span in one place`, async () => {
    const endMs = performance.now() + fuzzSeconds(12) * share * 1000;
    let runs = 0;
    for (let seed = firstSeed; runs === 0 || performance.now() < endMs; seed++, runs++) {
      const world = new World(await start(), randomFrom(seed));
      for (let call = 0; call < CALLS; call++) {
        try {
          world.step();
          world.check();
        } catch (error) {
          throw new Error(`WEBSPAN_FUZZ_SEED=${seed}, call ${call}, ${world.log.slice(-8).join(' ')}: ${error.message}`, { cause: error });
        }
      }
    }
  });
}

class World {
  log = [];
  #exports;
  #random;
  #wordsAt;
  #countsAt;
  #nowMs = 1000;
  #handles = [];
  #batches = [];
  #names;

  constructor(exports, random) {
    this.#exports = exports;
    this.#random = random;
    this.#wordsAt = exports[short.create_core](1.7e12);
    this.#countsAt = new Uint32Array(exports.memory.buffer, this.#wordsAt, 1)[0];
    this.#names = Object.keys(short).filter((name) => typeof exports[short[name]] === 'function' && name !== 'create_core');
    assert.ok(this.#names.length > 40, `${this.#names.length} exports`);
    this.#call('set_options', 1, 0, 1, 1, 0, random(3), random(2));
    // Small, so that it is soon full.
    this.#call('set_batch', 5000, 1 + random(20), 1 + random(60));
  }

  #call(name, ...args) {
    this.log.push(`${name}(${args.join()})`);
    return this.#exports[short[name]](...args);
  }

  #pick(list) {
    return list[this.#random(list.length)];
  }

  #number() {
    const random = this.#random;
    return [() => this.#pick(ODD), () => random(16), () => this.#nowMs + random(2000) - 1000, () => this.#pick(this.#handles) ?? 0, () => this.#pick(this.#batches) ?? 0][random(5)]();
  }

  /** Any export, with any numbers; but for the few that would use up the memory by their own right. */
  step() {
    const random = this.#random;
    this.#nowMs += random(3) ? random(50) : random(100_000);
    const name = this.#pick(this.#names);
    const bytes = this.#write(this.#pick(TEXTS));
    const number = () => (random(3) ? bytes : this.#number());
    const args = Array.from({ length: this.#exports[short[name]].length }, () => (random(2) ? this.#number() : number()));
    if (name === 'scratch_area') args[0] = random(100_000);
    // More would be kept than the queue here lets through.
    if (name === 'set_batch') args[2] = 1 + random(60);
    // Of what ends or starts something, more often what is there.
    if (/^(start_|end_)/.test(name) && random(4)) args[name.startsWith('start') ? args.length - 2 : args.length - 1] = this.#nowMs;
    if (/^end_/.test(name) && random(4)) args[0] = this.#pick(this.#handles) ?? 0;
    if (name === 'take_answer' && random(4)) [args[0], args[1]] = [this.#pick(this.#batches) ?? 0, this.#pick([0, -1, 200, 200, 400, 413, 429, 503, 1])];
    if (name === 'next_effect' && random(4)) return this.#effects();
    const answer = this.#call(name, ...args);
    if (/^start_/.test(name) && answer >= 0) this.#handles.push(answer);
    if (/^start_/.test(name) && answer === -2) this.#call('refill_pool');
    if (this.#handles.length > 50) this.#handles.shift();
    if (this.#batches.length > 20) this.#batches.shift();
  }

  /** What the core wants done, as the transport does it. */
  #effects() {
    for (let effects = 0; ; effects++) {
      assert.ok(effects < 5000, 'effects without an end');
      const effect = this.#call('next_effect', this.#nowMs);
      if (effect <= 0) return;
      const batch = new Int32Array(this.#exports.memory.buffer, this.#wordsAt, 5)[2];
      if (effect === 1 || effect === 5 || effect === 6) this.#batches.push(batch);
      if (effect === 1) this.#call('fit_body', batch, this.#random(70_000));
    }
  }

  #write(text) {
    const bytes = Buffer.from(text);
    const at = this.#exports[short.scratch_area](Math.max(bytes.length, 16_384));
    new Uint8Array(this.#exports.memory.buffer, at, bytes.length).set(bytes);
    return bytes.length;
  }

  check() {
    const { buffer } = this.#exports.memory;
    const counts = new Uint32Array(buffer, this.#countsAt, OPEN + 1);
    const places = [...counts].filter((_, place) => place !== ENDED && place !== RESENT && place !== OPEN);
    assert.equal(places.reduce((sum, count) => sum + count, 0), counts[ENDED], `counts ${counts}`);
    assert.ok([...counts].every((count) => count < 1e6), `counts ${counts}`);
    assert.ok(counts[OPEN] <= 1024, `${counts[OPEN]} are open`);
    assert.equal(counts.length - LOSSES, 11);
    assert.ok(buffer.byteLength < MAX_MEMORY_BYTES, `${buffer.byteLength} bytes of memory`);
  }
}
