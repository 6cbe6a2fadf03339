// What takes the place of the browser's own functions.

/** What a wrapped function does: it calls the `target`, which is what was there before. */
export type Around = (target: (...args: never[]) => unknown, self: unknown, args: unknown[]) => unknown;

/**
 * Something in the place of a function. As a proxy it has the name, the length and the properties of that, and a text that says native code. Its
 * handler inherits nothing: what a page has put into `Object.prototype` under the name `get` would be a trap of it.
 */
export const wrapped = <F extends object>(target: F, handler: ProxyHandler<F>): F => new Proxy(target, Object.setPrototypeOf(handler, null));

/**
 * Puts a wrapped method in the place of one that an object has or inherits. Throws where there is none, and where the page has locked it.
 *
 * @returns What undoes it. Whoever has wrapped it after us keeps that: ours should only pass on then.
 */
export function replaceMethod(object: object, name: string, apply: Around): () => void {
  let owner = object as Record<string, object>;
  while (!Object.hasOwn(owner, name)) owner = Object.getPrototypeOf(owner) as typeof owner;
  const original = owner[name]!;
  const ours = (owner[name] = wrapped(original, { apply } as ProxyHandler<object>));
  return () => {
    if (owner[name] === ours) owner[name] = original;
  };
}

const functionText = Function.prototype.toString;

/** Whether a function is the browser's own, and no wrapper, polyfill, proxy or bound function. */
export function isBrowsers(given: unknown, name: string): boolean {
  const text = functionText.call(given);
  return text.startsWith(`function ${name}(`) && /^[^{]*\{\s+\[native code\]\s+\}$/.test(text);
}

export const isObject = (value: unknown): value is object => Object(value) === value;

/** The getter of a built-in type. It reads what the browser has, whatever stands before it: an element named `baseURI` hides that of the document. */
export const getterOf = (type: { prototype: object } | undefined, name: string): (() => unknown) | undefined =>
  type?.prototype && Object.getOwnPropertyDescriptor(type.prototype, name)?.get;

/** Of the browser's own promises, whatever has taken the place of `Promise`. */
const promisePrototype: unknown = Object.getPrototypeOf((async () => {})());

/** Whether it is a promise as the browser makes it, or as what has taken the place of `Promise` does: not one of a class that may do more. */
export function isPlainPromise(promise: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(promise);
  return prototype === promisePrototype || prototype === globalThis.Promise?.prototype;
}

/**
 * What `then` gives, with the same value or error: it is not watched on the side, which would mark a rejection as handled. The browser's own promises
 * are awaited, as a page may have replaced `then`.
 */
export function watched<T>(promise: Promise<T>, resolved: (value: T) => void, rejected: (error: unknown) => void): Promise<T> {
  if (Object.getPrototypeOf(promise) === promisePrototype) return awaited(promise, resolved, rejected);
  return promise.then(
    (value) => {
      resolved(value);
      return value;
    },
    (error) => {
      rejected(error);
      throw error;
    },
  );
}

async function awaited<T>(promise: Promise<T>, resolved: (value: T) => void, rejected: (error: unknown) => void): Promise<T> {
  let value;
  try {
    value = await promise;
  } catch (error) {
    rejected(error);
    throw error;
  }
  resolved(value);
  return value;
}
