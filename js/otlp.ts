// Reads OTLP in protobuf, as the core writes it and collectors answer it, into objects in the shape of OTLP/JSON. Pages that send protobuf
// seldom run any of this: so it is small, and not fast.
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding

/** Places in the list below. */
const REQUEST = 0;
const SCOPE_SPANS = 3;
const RESPONSE = 12;

/**
 * The fields of each message in the order of their numbers, as in src/otlp/trace.rs. Behind a name stands what its wire type does not tell:
 * `#` an id, `?` a boolean, `~` an integer of 64 bits with a sign, `.` a double, `>` a message or `*` one of several, and its place here.
 */
const MESSAGES =
  'resourceSpans*1 ' +
  'resource>2,scopeSpans*3,schemaUrl ' +
  'attributes*9,droppedAttributesCount ' +
  'scope>4,spans*5,schemaUrl ' +
  'name,version ' +
  'traceId#,spanId#,traceState,parentSpanId#,name,kind,startTimeUnixNano,endTimeUnixNano,' +
  'attributes*9,droppedAttributesCount,events*6,droppedEventsCount,links*7,droppedLinksCount,status>8,flags ' +
  'timeUnixNano,name,attributes*9,droppedAttributesCount ' +
  'traceId#,spanId#,traceState,attributes*9,droppedAttributesCount,flags ' +
  ',message,code ' +
  'key,value>10 ' +
  'stringValue,boolValue?,intValue~,doubleValue.,arrayValue>11 ' +
  'values*10 ' +
  'partialSuccess>13 ' +
  'rejectedSpans~,errorMessage';

/** The same taken apart, at the first use: a page that starts has better things to do. */
let messages: string[][][] | undefined;

/**
 * Messages within messages that are read; what lies deeper is `{}`. An attribute's value is the sixth in a request, and each array in it
 * takes two more, which are three objects and arrays in JSON. Parsers of JSON refuse the whole batch when it is too deep, some at 128.
 */
const MAX_DEPTH = 64;

type Message = Record<string, unknown>;

/** As OTLP/JSON has it. */
export interface AnyValue {
  stringValue?: string;
  boolValue?: boolean;
  intValue?: string;
  /** As text what is no JSON number. */
  doubleValue?: number | string;
  arrayValue?: { values?: AnyValue[] };
}

export interface KeyValue {
  key: string;
  value?: AnyValue;
}

/** A span that has ended, as OTLP/JSON has it. */
export interface SpanMessage extends Message {
  name: string;
  kind: number;
  parentSpanId?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: KeyValue[];
  events?: { name: string; timeUnixNano: string; attributes?: KeyValue[] }[];
  status?: { code?: number; message?: string };
}

/** What a collector answers. */
export interface ExportResponse {
  partialSuccess?: { rejectedSpans?: string | number; errorMessage?: string };
}

/** An `ExportTraceServiceRequest`. */
export const readRequest = (bytes: Uint8Array): Message => read(bytes, REQUEST);
/** The spans of a `ScopeSpans`. */
export const readSpans = (bytes: Uint8Array): SpanMessage[] => (read(bytes, SCOPE_SPANS).spans ?? []) as SpanMessage[];
/** An `ExportTraceServiceResponse`. */
export const readResponse = (bytes: Uint8Array): ExportResponse => read(bytes, RESPONSE);

/** Never throws. Of bytes that are no such message it reads what makes sense, or nothing. */
function read(bytes: Uint8Array, place: number): Message {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = new TextDecoder('utf-8', { ignoreBOM: true });
  const fields = (messages ??= MESSAGES.split(' ').map((message) => message.split(',').map((field) => field.split(/\b/))));
  let at = 0;

  const varint = (): number | bigint => {
    const byte = view.getUint8(at++);
    return byte < 128 ? byte : BigInt(byte & 127) | (BigInt(varint()) << 7n);
  };

  const readMessage = (place: number, end: number, depth: number): Message => {
    // Nothing that a page has put into Object.prototype may get in.
    const message: Message = { __proto__: null };
    while (at < end) {
      const tag = Number(varint());
      const wireType = tag & 7;
      const [name, mark, inner] = fields[place]![(tag >> 3) - 1] ?? [];
      let value: unknown;
      if (wireType === 0) {
        const bits = varint();
        value = mark === '~' ? `${BigInt.asIntN(64, BigInt(bits))}` : mark === '?' ? bits > 0 : Number(bits);
      } else if (wireType === 1) {
        const double = view.getFloat64(at, true);
        value = mark !== '.' ? `${view.getBigUint64(at, true)}` : isFinite(double) ? double : `${double}`;
        at += 8;
      } else if (wireType === 5) {
        value = view.getUint32(at, true);
        at += 4;
      } else if (wireType === 2) {
        const length = Number(varint());
        const stop = at + length;
        const part = bytes.subarray(at, stop);
        if (!inner) value = mark === '#' ? [...part].map((byte) => byte.toString(16).padStart(2, '0')).join('') : text.decode(part);
        else value = readMessage(+inner, depth && stop, depth - 1);
        at = stop;
      } else {
        // Not in OTLP.
        break;
      }
      if (mark === '*') ((message[name!] ??= []) as unknown[]).push(value);
      else if (name) message[name] = value;
    }
    return message;
  };

  try {
    return readMessage(place, bytes.length, MAX_DEPTH);
  } catch {
    // They end where something had to follow.
    return {};
  }
}
