// Protobuf by hand: for bodies that no SDK would make.

export const varint = (number) => {
  const bytes = [];
  for (let rest = number; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
};

/** A field that holds text, bytes or a message. */
export function field(number, ...content) {
  const body = Buffer.concat(content.map((part) => Buffer.from(part)));
  return Buffer.concat([varint(number * 8 + 2), varint(body.length), body]);
}

let lastId = 0;
function id(bytes) {
  const buffer = Buffer.alloc(bytes, 0);
  buffer.writeUInt32BE(++lastId, bytes - 4);
  return buffer;
}

export const text = (key, value) => field(9, field(1, key), field(2, field(1, value)));

/** Of a trace of its own. */
export const span = (name, ...more) => field(2, field(1, id(16)), field(2, id(8)), field(5, name), ...more);

export const request = (service, ...spans) => field(1, field(1, field(1, field(1, 'service.name'), field(2, field(1, service)))), field(2, ...spans));

/** A message of a field without content, many times. */
export const empties = (number, times) => Buffer.alloc(2 * times, Buffer.from([number * 8 + 2, 0]));

export const TYPE = { 'Content-Type': 'application/x-protobuf' };
