// The browser's own classes, taken when this module loads. The build puts them in the place of the global names in every bundle (`inject` in
// build.mjs): what a page makes of such a name later, as by `var URL` in a classic script, does not reach us.

type Globals = typeof globalThis;

/** The first global that was missing, or something else by then. Without it nothing works here. */
export let unusable: string | undefined;

/**
 * Takes a global.
 *
 * @param works Gives something true where it does what it is for: a polyfill will do.
 */
function take<K extends keyof Globals>(name: K, works: (global: Globals[K]) => unknown): Globals[K] {
  const global = globalThis[name];
  try {
    if (works(global)) return global;
  } catch {
    // Neither.
  }
  unusable ??= name;
  // In its place comes what can at least be made.
  return class {
    static for() {}
  } as never;
}

export const AbortController = /* @__PURE__ */ take('AbortController', (Type) => !new Type().signal.aborted);
export const Error = /* @__PURE__ */ take('Error', (Type) => new Type('a').message);
export const Headers = /* @__PURE__ */ take('Headers', (Type) => new Type({ a: 'b' }).has('a'));
export const Map = /* @__PURE__ */ take('Map', (Type) => new Type([[1, 1]]).get(1));
export const Promise = /* @__PURE__ */ take('Promise', (Type) => Type.resolve());
export const Proxy = /* @__PURE__ */ take('Proxy', (Type) => new Type(() => 0, { apply: () => 1 })());
export const Reflect = /* @__PURE__ */ take('Reflect', (namespace) => namespace.apply(Number, 0, ['1']));
export const Set = /* @__PURE__ */ take('Set', (Type) => new Type([1]).has(1));
export const Symbol = /* @__PURE__ */ take('Symbol', (Type) => Type.for('a'));
export const TextEncoder = /* @__PURE__ */ take('TextEncoder', (Type) => new Type().encodeInto);
export const Uint8Array = /* @__PURE__ */ take('Uint8Array', (Type) => new Type(1).buffer);
export const URL = /* @__PURE__ */ take('URL', (Type) => new Type('b', 'http://a/').href === 'http://a/b');
export const WeakMap = /* @__PURE__ */ take('WeakMap', (Type) => new Type([[take, 1]]).get(take));
