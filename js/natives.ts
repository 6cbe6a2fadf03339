// The browser's own classes, taken when this module loads. The build puts them in the place of the global names in every bundle (`inject` in
// build.mjs): what a page makes of such a name later, as by `var URL` in a classic script, does not reach us.

/** The first global that was something else by then. Without it nothing works here. */
export let unusable: string | undefined;

/** Takes a global, if it has this member, or its prototype has: a polyfill will do. One that is missing, as on a server, is left to who needs it. */
function take<K extends keyof typeof globalThis>(name: K, member: string): (typeof globalThis)[K] {
  const global = globalThis[name];
  // Of a prototype it may be a getter, which reads nothing there.
  if (global === undefined || Object(global)[member] || member in Object(global?.prototype)) return global;
  unusable ??= name;
  // In its place comes what can at least be made.
  return class {
    static for() {}
  } as never;
}

export const AbortController = /* @__PURE__ */ take('AbortController', 'abort');
export const Error = /* @__PURE__ */ take('Error', 'message');
export const Headers = /* @__PURE__ */ take('Headers', 'entries');
export const Map = /* @__PURE__ */ take('Map', 'get');
export const Promise = /* @__PURE__ */ take('Promise', 'then');
export const Proxy = /* @__PURE__ */ take('Proxy', 'revocable');
export const Reflect = /* @__PURE__ */ take('Reflect', 'ownKeys');
export const Set = /* @__PURE__ */ take('Set', 'has');
export const Symbol = /* @__PURE__ */ take('Symbol', 'for');
export const TextEncoder = /* @__PURE__ */ take('TextEncoder', 'encodeInto');
export const Uint8Array = /* @__PURE__ */ take('Uint8Array', 'fill');
export const URL = /* @__PURE__ */ take('URL', 'href');
export const WeakMap = /* @__PURE__ */ take('WeakMap', 'get');
