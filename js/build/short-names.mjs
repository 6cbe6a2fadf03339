// Short names for what the core exports, and none for what nobody calls; short ones, too, for what it imports. The long ones would stand in the
// module, and in each place of the JavaScript that calls or gives them.

/** What is shortened: two words or more with an underline between them. So no property of a browser's object is taken for one of these. */
const CORE_NAME = /^[a-z]+(_[a-z]+)+$/;

/** Where wasm-bindgen has a module import from. */
const GLUE = './core_bg.js';

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Of a WebAssembly module. <https://webassembly.github.io/spec/core/binary/modules.html> */
const HEADER_BYTES = 8;
const IMPORTS = 2;
const EXPORTS = 7;

/**
 * @param {Buffer} module
 * @param {string} glue The JavaScript that is made for it: what else is exported, and is not mentioned there, is exported no longer.
 * @returns {{ module: Buffer, glue: string, short: Record<string, string> }} `glue` gives imports by their new names; `short`: those of exports by the
 * old ones, as esbuild takes them (`mangleCache`)
 */
export function shortenNames(module, glue) {
  const short = {};
  const parts = [module.subarray(0, HEADER_BYTES)];
  for (let at = HEADER_BYTES; at < module.length; ) {
    const [bytes, start] = readNumber(module, at + 1);
    const end = start + bytes;
    if (module[at] === EXPORTS) {
      const section = renamed(module.subarray(start, end), glue, short);
      parts.push([EXPORTS, ...number(section.length)], section);
    } else if (module[at] === IMPORTS) {
      const imported = renamedImports(module.subarray(start, end), glue);
      glue = imported.glue;
      parts.push([IMPORTS, ...number(imported.section.length)], imported.section);
    } else {
      parts.push(module.subarray(at, end));
    }
    at = end;
  }
  return { module: concat(parts), glue, short };
}

/** The section with new names, which are also written into the glue. The place that all are imported from gets one too. */
function renamedImports(section, glue) {
  const [count, first] = readNumber(section, 0);
  const parts = [number(count)];
  for (let at = first, index = 0; index < count; index++) {
    const names = [];
    for (const _ of ['module', 'name']) {
      const [nameBytes, start] = readNumber(section, at);
      at = start + nameBytes;
      names.push(section.toString('utf8', start, at));
    }
    const [, end] = readNumber(section, at + 1);
    if (names[0] !== GLUE) throw new Error(`the core imports from ${names[0]}: short-names.mjs has to learn it`);
    const name = letters(index);
    glue = glue.replaceAll(`"${GLUE}"`, '"a"').replaceAll(names[1], name);
    for (const text of ['a', name]) parts.push(number(text.length), Buffer.from(text));
    parts.push(section.subarray(at, end));
    at = end;
  }
  return { section: concat(parts), glue };
}

/** The section with new names, which are also written into `short`. */
function renamed(section, glue, short) {
  let [count, at] = readNumber(section, 0);
  const parts = [];
  let kept = 0;
  for (; count > 0; count--) {
    const [nameBytes, start] = readNumber(section, at);
    const nameEnd = start + nameBytes;
    // Behind the name stand a byte for what it is, and its index.
    const [, end] = readNumber(section, nameEnd + 1);
    let name = section.toString('utf8', start, nameEnd);
    if (glue.includes(`wasm.${name}`)) {
      if (CORE_NAME.test(name)) name = short[name] = letters(Object.keys(short).length);
      parts.push(number(name.length), Buffer.from(name), section.subarray(nameEnd, end));
      kept++;
    }
    at = end;
  }
  return concat([number(kept), ...parts]);
}

const letters = (index) => (index < LETTERS.length ? '' : letters(Math.floor(index / LETTERS.length) - 1)) + LETTERS[index % LETTERS.length];

const concat = (parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

/** An unsigned LEB128 number, and where it ends. */
function readNumber(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value |= (byte & 127) << shift;
    if (byte < 128) return [value, at];
  }
}

const number = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...number(value >> 7)]);
