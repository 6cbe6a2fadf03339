// Short names for what the core exports, and none for what nobody calls. The long ones would stand in the module, and in each place of the
// JavaScript that calls them.

/** What is shortened: two words or more with an underline between them. So no property of a browser's object is taken for one of these. */
const CORE_NAME = /^[a-z]+(_[a-z]+)+$/;

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Of a WebAssembly module. <https://webassembly.github.io/spec/core/binary/modules.html> */
const HEADER_BYTES = 8;
const EXPORTS = 7;

/**
 * @param {Buffer} module
 * @param {string} glue The JavaScript that is made for it: what else is exported, and is not mentioned there, is exported no longer.
 * @returns {{ module: Buffer, short: Record<string, string> }} `short`: the new names by the old ones, as esbuild takes them (`mangleCache`)
 */
export function shortenExports(module, glue) {
  const short = {};
  const parts = [module.subarray(0, HEADER_BYTES)];
  for (let at = HEADER_BYTES; at < module.length; ) {
    const [bytes, start] = readNumber(module, at + 1);
    const end = start + bytes;
    if (module[at] === EXPORTS) {
      const section = renamed(module.subarray(start, end), glue, short);
      parts.push([EXPORTS, ...number(section.length)], section);
    } else {
      parts.push(module.subarray(at, end));
    }
    at = end;
  }
  return { module: concat(parts), short };
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
