/** The glue that wasm-bindgen makes of this crate; the JSON is that of `src/spans.rs`. */
declare module 'webspan-viewer-decode' {
  type ApiSpan = import('../model.js').Span;

  interface Export {
    resources: { resource: ApiSpan['resource']; scopes: { scope: ApiSpan['scope']; spans: Omit<ApiSpan, 'resource' | 'scope'>[] }[] }[];
    rejectedSpans: number;
    rejection: string;
  }

  /** Both give the JSON of an `Export`. They throw an `Error` that says what is wrong with the body, or a `RangeError` when it holds too much. */
  export function decodeProtobuf(body: Uint8Array): string;
  export function decodeJson(body: Uint8Array): string;
  export function encodeResponse(asJson: boolean, rejectedSpans: number, errorMessage: string): Uint8Array;
  export function encodeStatus(asJson: boolean, code: number, message: string): Uint8Array;
  /** The text without the secrets of URLs in it. */
  export function redact(text: string): string;

  export type { Export };
}
