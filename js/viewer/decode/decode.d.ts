/** The glue that wasm-bindgen makes of this crate; its values are those of `src/spans.rs`. */
declare module 'webspan-viewer-decode' {
  type Value = string | number | boolean | null | Value[] | Map<string, Value>;
  type Attributes = Map<string, Value>;

  type ApiSpan = import('../model.js').Span;

  interface Export {
    groups: { resource: Attributes; scope: ApiSpan['scope']; spans: Span[] }[];
    rejectedSpans: number;
    rejection: string;
  }

  interface Span extends Omit<ApiSpan, 'attributes' | 'events' | 'links' | 'resource' | 'scope'> {
    attributes: Attributes;
    events: { timeUnixNano: string; name: string; attributes: Attributes }[];
    links: { traceId: string; spanId: string; attributes: Attributes }[];
  }

  /** Both throw an `Error` that says what is wrong with the body. */
  export function decodeProtobuf(body: Uint8Array): Export;
  export function decodeJson(body: Uint8Array): Export;
  export function encodeResponse(asJson: boolean, rejectedSpans: number, errorMessage: string): Uint8Array;
  export function encodeStatus(asJson: boolean, code: number, message: string): Uint8Array;

  export type { Attributes, Export, Value };
}
