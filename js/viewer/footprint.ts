/** How much memory a span takes. Estimated, and rather too much than too little: V8 tells nobody the size of an object. */
import type { Attributes, AttributeValue, Span } from './model.js';

/** Of a span without any text: itself, what each span has (its status, its lists), and its places in the store. */
const SPAN_BYTES = 1200;
/** Of an event or a link, and of a list or a map. */
const OBJECT_BYTES = 200;
/** Of one more entry in one of these. Objects with keys that no other has take that much. */
const ENTRY_BYTES = 150;
/** Of a text without characters. */
const TEXT_BYTES = 24;

const isLatin1 = (text: string): boolean => !/[^\x00-\xff]/.test(text);

function textBytes(text: string): number {
  return TEXT_BYTES + (isLatin1(text) ? text.length : text.length * 2);
}

function valueBytes(value: AttributeValue): number {
  if (typeof value === 'string') return textBytes(value);
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((bytes, item) => bytes + ENTRY_BYTES + valueBytes(item), OBJECT_BYTES);
  return attributesBytes(value);
}

function attributesBytes(attributes: Attributes): number {
  let bytes = OBJECT_BYTES;
  for (const [key, value] of Object.entries(attributes)) bytes += ENTRY_BYTES + textBytes(key) + valueBytes(value);
  return bytes;
}

/** Resources and scopes are shared by the spans of a request, and their size is asked for with each. */
const shared = new WeakMap<object, number>();

function sharedBytes(attributes: Attributes): number {
  let bytes = shared.get(attributes);
  if (bytes === undefined) shared.set(attributes, (bytes = attributesBytes(attributes)));
  return bytes;
}

/**
 * Bytes of one span. The resource and the scope count with each span that has them: in the answers of the API they stand with each, and a span
 * that is the last of its request keeps them alone.
 */
export function spanBytes(span: Span): number {
  let bytes = SPAN_BYTES + sharedBytes(span.resource) + sharedBytes(span.scope as unknown as Attributes) + attributesBytes(span.attributes);
  for (const text of [span.traceId, span.spanId, span.parentSpanId, span.name, span.startTimeUnixNano, span.endTimeUnixNano, span.traceState, span.status.message]) {
    bytes += textBytes(text);
  }
  for (const { name, timeUnixNano, attributes } of span.events) bytes += OBJECT_BYTES + textBytes(name) + textBytes(timeUnixNano) + attributesBytes(attributes);
  for (const { traceId, spanId, attributes } of span.links) bytes += OBJECT_BYTES + textBytes(traceId) + textBytes(spanId) + attributesBytes(attributes);
  return bytes;
}
