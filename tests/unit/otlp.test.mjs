// What protobuf says is what its JSON says: bytes written by OpenTelemetry's own serializer, or by hand, against what others make of them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { build } from 'esbuild';
import { startDecoder } from '../harness/decoder.mjs';

const source = fileURLToPath(new URL('../../js/otlp.ts', import.meta.url));
const { outputFiles } = await build({ entryPoints: [source], bundle: true, format: 'esm', target: 'es2022', write: false });
const { readRequest, readResponse, readSpans } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);

/** As it leaves the page. */
const sent = (value) => JSON.parse(JSON.stringify(value));

// ---- protobuf by hand: https://protobuf.dev/programming-guides/encoding/

const varint = (value) => {
  let bits = BigInt.asUintN(64, BigInt(value));
  const bytes = [];
  for (; bits > 127n; bits >>= 7n) bytes.push(Number(bits & 127n) | 128);
  return [...bytes, Number(bits)];
};
const integer = (number, value) => [...varint(number * 8), ...varint(value)];
const fixed64 = (number, value) => [...varint(number * 8 + 1), ...new Uint8Array(new BigUint64Array([value]).buffer)];
const double = (number, value) => [...varint(number * 8 + 1), ...new Uint8Array(new Float64Array([value]).buffer)];
const fixed32 = (number, value) => [...varint(number * 8 + 5), ...new Uint8Array(new Uint32Array([value]).buffer)];
const bytes = (number, value) => [...varint(number * 8 + 2), ...varint(value.length), ...value];
const text = (number, value) => bytes(number, new TextEncoder().encode(value));
const message = (number, ...fields) => bytes(number, fields.flat());
const ID = [...'0123456789abcdef'].map((_, index) => 240 + index);

const attribute = (number, key, ...value) => message(number, text(1, key), message(2, ...value));
/** A `ScopeSpans` of one span with these fields. */
const spanOf = (...fields) => Uint8Array.from(message(2, ...fields));
const readSpan = (...fields) => readSpans(spanOf(...fields))[0];
const valueOf = (...value) => readSpan(attribute(9, 'k', ...value)).attributes[0].value;

// ---- the same random values in each run

let state = 0x5eed;
const random = () => {
  // https://en.wikipedia.org/wiki/Linear_congruential_generator, with the numbers of Numerical Recipes
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const below = (limit) => Math.floor(random() * limit);
const several = (most, make) => Array.from({ length: below(most + 1) }, make);
const oneOf = (...values) => values[below(values.length)];
const randomBytes = (count) => Uint8Array.from({ length: count }, () => below(256));
const randomHex = (count) => `1${Buffer.from(randomBytes(count)).toString('hex').slice(1)}`;
const randomText = () => String.fromCodePoint(...several(12, () => oneOf(below(128), 128 + below(0x700), 0x2028, 0xfeff, 0x1f600 + below(64))));
const randomDouble = () => new Float64Array(randomBytes(8).buffer)[0];
const randomNumber = () => oneOf(below(100), -below(2 ** 31), 2 ** 53 * random(), Math.floor(2 ** 62 * random()), randomDouble(), 0.1, 5e-324, 1e21, 1.7976931348623157e308);
const randomValue = () => oneOf(randomText, randomNumber, () => random() < 0.5, () => several(3, randomText), () => several(3, () => random() < 0.5))();
const randomAttributes = () => Object.fromEntries(several(6, () => [`k${randomText()}`, randomValue()]));
const randomTime = () => [1_700_000_000 + below(1e6), below(1e9)];
const randomContext = () => ({ traceId: randomHex(16), spanId: randomHex(8), traceFlags: below(2) });

/** What OpenTelemetry's serializer reads of a span. */
const randomSpan = (resource, instrumentationScope) => {
  const [startTime, context] = [randomTime(), randomContext()];
  return {
    resource,
    instrumentationScope,
    name: `n${randomText()}`,
    kind: below(5),
    spanContext: () => context,
    parentSpanContext: oneOf(undefined, { ...context, spanId: randomHex(8) }),
    startTime,
    endTime: [startTime[0] + below(10) + 1, below(1e9)],
    attributes: randomAttributes(),
    events: several(3, () => ({ name: `e${randomText()}`, time: randomTime(), attributes: randomAttributes(), droppedAttributesCount: below(3) })),
    links: several(2, () => ({ context: randomContext(), attributes: randomAttributes(), droppedAttributesCount: below(3) })),
    status: oneOf({ code: 0 }, { code: 1 }, { code: 2, message: randomText() }),
    droppedAttributesCount: below(2 ** 20),
    droppedEventsCount: below(3),
    droppedLinksCount: below(3),
  };
};

let decoder;
before(async () => (decoder = await startDecoder()), { timeout: 600_000 });
after(() => decoder.close());

test('whatever OpenTelemetry writes as protobuf, a strict receiver reads the same from our JSON', async () => {
  const resource = { attributes: { 'service.name': 'shop', 'telemetry.sdk.name': 'x', 'telemetry.sdk.language': 'webjs', 'telemetry.sdk.version': '1' } };
  const scopes = [{ name: 'one', version: '1' }, { name: 'two' }];
  for (let round = 0; round < 60; round++) {
    const protobuf = ProtobufTraceSerializer.serializeRequest(several(3, () => randomSpan(resource, oneOf(...scopes))));
    const json = JSON.stringify(readRequest(protobuf));
    const [theirs, ours] = await Promise.all([decoder.judge('application/x-protobuf', protobuf), decoder.judge('application/json', Buffer.from(json))]);
    assert.deepEqual(ours.spans, theirs.spans, json);
    assert.deepEqual(ours.violations, theirs.violations, json);
  }
});

test('a request reads as the specification writes it', () => {
  const request = message(
    1,
    message(1, attribute(1, 'service.name', text(1, 'shop')), integer(2, 1)),
    message(
      2,
      message(1, text(1, 'webspan/fetch'), text(2, '1.0')),
      message(
        2,
        ...[bytes(1, ID), bytes(2, ID.slice(8)), text(3, 'a=b'), bytes(4, [1, 2, 3, 4, 5, 6, 7, 8]), text(5, 'GET'), integer(6, 3)],
        ...[fixed64(7, 2n ** 64n - 1n), fixed64(8, 1_544_712_660_300_000_001n), integer(10, 2), integer(12, 3), integer(14, 2 ** 32 - 1)],
        message(11, fixed64(1, 5n), text(2, 'e'), attribute(3, 'k', integer(2, 1)), integer(4, 6)),
        message(13, bytes(1, ID), bytes(2, ID.slice(8)), text(3, 'c=d'), attribute(4, 'k', integer(3, -1)), integer(5, 7), fixed32(6, 1)),
        message(15, text(2, 'no'), integer(3, 2)),
        fixed32(16, 0x301),
      ),
      text(3, 'https://a'),
    ),
    text(3, 'https://b'),
  );
  const span = {
    traceId: 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',
    spanId: 'f8f9fafbfcfdfeff',
    traceState: 'a=b',
    parentSpanId: '0102030405060708',
    name: 'GET',
    kind: 3,
    startTimeUnixNano: '18446744073709551615',
    endTimeUnixNano: '1544712660300000001',
    droppedAttributesCount: 2,
    events: [{ timeUnixNano: '5', name: 'e', attributes: [{ key: 'k', value: { boolValue: true } }], droppedAttributesCount: 6 }],
    droppedEventsCount: 3,
    links: [
      {
        traceId: 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',
        spanId: 'f8f9fafbfcfdfeff',
        traceState: 'c=d',
        attributes: [{ key: 'k', value: { intValue: '-1' } }],
        droppedAttributesCount: 7,
        flags: 1,
      },
    ],
    droppedLinksCount: 4294967295,
    status: { message: 'no', code: 2 },
    flags: 769,
  };
  assert.deepEqual(sent(readRequest(Uint8Array.from(request))), {
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }], droppedAttributesCount: 1 },
        scopeSpans: [{ scope: { name: 'webspan/fetch', version: '1.0' }, spans: [span], schemaUrl: 'https://a' }],
        schemaUrl: 'https://b',
      },
    ],
  });
});

test('integers of 64 bits are decimal text, to the last digit', () => {
  const values = [0n, 1n, 127n, 128n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -1n, -(2n ** 63n), ...Array.from({ length: 500 }, () => new BigInt64Array(randomBytes(8).buffer)[0])];
  for (const value of values) {
    assert.deepEqual(sent(valueOf(integer(3, value))), { intValue: String(value) });
    const unsigned = BigInt.asUintN(64, value);
    assert.equal(readSpan(fixed64(7, unsigned)).startTimeUnixNano, String(unsigned));
  }
});

test('doubles are the very same number in JSON, and text where JSON has no number', () => {
  const values = [0.5, 5e-324, -5e-324, 2.2250738585072014e-308, 1e21, 1e-7, 1.7976931348623157e308, 0.1 + 0.2, -0, ...Array.from({ length: 2000 }, randomDouble)];
  for (const value of values.filter(Number.isFinite)) {
    assert.ok(Object.is(valueOf(double(4, value)).doubleValue, value), `${value}`);
    // JSON.stringify has no zero below zero. The core does not write one: a whole number is an integer there.
    assert.equal(sent(valueOf(double(4, value))).doubleValue, value + 0);
  }
  for (const value of [NaN, Infinity, -Infinity]) assert.deepEqual(sent(valueOf(double(4, value))), { doubleValue: String(value) });
});

test('text is UTF-8, from its first character to its last', () => {
  for (const value of ['', '"\\\u0000\u0007\u001f\u007f\u2028', '\ufeffbegins with a mark', 'grün 😀', ...several(200, randomText)]) {
    assert.deepEqual(sent(valueOf(text(1, value))), { stringValue: value });
  }
});

test('values of every kind, and holes in lists', () => {
  assert.deepEqual(sent(valueOf(integer(2, 0))), { boolValue: false });
  assert.deepEqual(sent(valueOf()), {});
  assert.deepEqual(sent(valueOf(message(5))), { arrayValue: {} });
  assert.deepEqual(sent(valueOf(message(5, message(1, text(1, 'a')), message(1), message(1, message(5, message(1, integer(2, 1))))))), {
    arrayValue: { values: [{ stringValue: 'a' }, {}, { arrayValue: { values: [{ boolValue: true }] } }] },
  });
});

test('attributes and events are found wherever they stand, and other fields between them', () => {
  const [a, b] = [attribute(9, 'a'), attribute(9, 'b')];
  const span = readSpan(a, text(5, 'name'), message(11, text(2, 'e')), b, message(11), integer(6, 1));
  assert.deepEqual(sent(span), { name: 'name', kind: 1, attributes: [{ key: 'a', value: {} }, { key: 'b', value: {} }], events: [{ name: 'e' }, {}] });
});

test('fields that the tables do not know are left out', () => {
  const unknown = [...integer(0, 1), ...integer(17, 1), ...fixed64(17, 1n), ...fixed32(500, 7), ...text(99, 'x'), ...message(1000, integer(1, 1))];
  assert.deepEqual(sent(readSpan(unknown, text(5, 'known'), unknown)), { name: 'known' });
  assert.deepEqual(sent(readSpan(message(15, text(1, 'reserved'), integer(3, 2)))), { status: { code: 2 } });
});

test('several spans are shown in their order', () => {
  const spans = readSpans(Uint8Array.from(['a', 'b', 'c'].flatMap((name) => message(2, text(5, name)))));
  assert.deepEqual(spans.map(({ name }) => name), ['a', 'b', 'c']);
});

test('bytes within a larger buffer are read from where they begin', () => {
  const bytes = spanOf(text(5, 'name'), fixed64(7, 5n));
  const memory = new Uint8Array(bytes.length + 20).fill(255);
  memory.set(bytes, 7);
  assert.deepEqual(sent(readSpans(memory.subarray(7, 7 + bytes.length))), [{ name: 'name', startTimeUnixNano: '5' }]);
});

test('arrays in arrays end at a depth that parsers bear', () => {
  let value = integer(3, 1);
  for (let count = 0; count < 1000; count++) value = message(5, message(1, value));
  const deep = (request) => {
    let depth = 0;
    for (let inner = request; inner; inner = inner.arrayValue?.values?.[0]) depth++;
    return depth;
  };
  // Of 64 messages the first three are the span, its attribute and the value; then come two for each array, and an empty one.
  assert.equal(deep(sent(valueOf(value))), 32);
  assert.ok(JSON.stringify(valueOf(value)).match(/[[{]/g).length < 128);
});

test('bytes that are cut off or no message at all never throw, and never hang', () => {
  const whole = spanOf(bytes(1, ID), text(5, 'a"b'), attribute(9, 'k', double(4, 0.5)), attribute(9, 'l', text(1, 'v')), fixed64(7, 1n), fixed32(16, 1));
  const readers = [readRequest, readSpans, readResponse];
  for (let length = 0; length < whole.length; length++) for (const read of readers) JSON.stringify(read(whole.subarray(0, length)));
  for (let round = 0; round < 3000; round++) {
    const bytes = randomBytes(below(64));
    for (const read of readers) JSON.stringify(read(bytes));
  }
  for (const read of readers) JSON.stringify(read(new Uint8Array(100_000).fill(255)));
});

test('a partial success is read as the collector wrote it', () => {
  const answered = (rejected, errorMessage) => readResponse(Uint8Array.from(message(1, integer(1, rejected), text(2, errorMessage)))).partialSuccess;
  assert.deepEqual(sent(answered(3, 'too old')), { rejectedSpans: '3', errorMessage: 'too old' });
  assert.deepEqual(sent(answered(-1, '')), { rejectedSpans: '-1', errorMessage: '' });
  assert.equal(readResponse(new Uint8Array()).partialSuccess, undefined);
  for (const body of ['OK!', '<html>', '{"partialSuccess":{}}']) assert.equal(readResponse(new TextEncoder().encode(body)).partialSuccess, undefined, body);
});

test('nothing gets in that a page has put into Object.prototype', () => {
  const polluted = { attributes: ['polluted'], name: 'polluted', partialSuccess: { rejectedSpans: 7 } };
  for (const [name, value] of Object.entries(polluted)) Object.defineProperty(Object.prototype, name, { get: () => value, set() {}, configurable: true });
  try {
    const span = readSpan(attribute(9, 'k'), text(5, 'own'));
    assert.equal(span.name, 'own');
    assert.equal(JSON.stringify(span.attributes), '[{"key":"k","value":{}}]');
    assert.equal(readResponse(new Uint8Array()).partialSuccess, undefined);
  } finally {
    for (const name of Object.keys(polluted)) delete Object.prototype[name];
  }
});
