/** The glue that wasm-bindgen makes of this crate; its values are those of `src/spans.rs`. */
declare module 'webspan-viewer-decode' {
  type Value = string | number | boolean | null | Value[] | Map<string, Value>;
  type Attributes = Map<string, Value>;

  type ApiSpan = import('../model.js').Span;

  interface Slice {
    /** Null: that of the slice before, as with the scope. */
    resource: Attributes | null;
    scope: ApiSpan['scope'] | null;
    spans: Span[];
  }

  interface Span extends Omit<ApiSpan, 'attributes' | 'events' | 'links' | 'resource' | 'scope'> {
    attributes: Attributes;
    events: { timeUnixNano: string; name: string; attributes: Attributes }[];
    links: { traceId: string; spanId: string; attributes: Attributes }[];
  }

  interface Rejected {
    rejectedSpans: number;
    rejection: string;
  }

  /**
   * Both give the spans of a body to `take`, some at a time. They throw an `Error` that says what is wrong with the body, or a `RangeError` when
   * it holds too much; nothing is given to `take` then.
   */
  export function decodeProtobuf(body: Uint8Array, take: (slice: Slice) => void): Rejected;
  export function decodeJson(body: Uint8Array, take: (slice: Slice) => void): Rejected;
  export function encodeResponse(asJson: boolean, rejectedSpans: number, errorMessage: string): Uint8Array;
  export function encodeStatus(asJson: boolean, code: number, message: string): Uint8Array;
  /** The text without the secrets of URLs in it. */
  export function redact(text: string): string;

  export type { Attributes, Rejected, Slice, Value };
}
