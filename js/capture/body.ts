// The end of a response's body, as its methods tell: resource timing does not know whether a body broke off, and has no entry for some.

import { nameOf } from '../thrown.js';
import { type Around, replaceMethod, watched } from '../wrap.js';

/** Those that read all of the body. */
const READERS = ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text'];

/** Told when the body has been read, or could not be: `error` is what it failed with. */
export type Read = (failed: boolean, error?: unknown) => void;

/**
 * Watches the responses' own methods that read the whole body. The body itself is left alone, and what a method gives is still the page's to handle.
 *
 * @param reading Who wants to know of this response.
 * @returns What undoes it.
 */
export function watchBodies(reading: (response: unknown) => Read | undefined): () => void {
  const around = (name: string): Around => (target, response, args) => {
    // A second one is refused, and says nothing of the body.
    const before = (response as Response | undefined)?.bodyUsed;
    const read = before ? undefined : reading(response);
    const promise = Reflect.apply(target, response, args) as Promise<unknown>;
    if (!read || !(response as Response).bodyUsed) return promise;
    return watched(
      promise,
      () => read(false),
      // It has come, but is no JSON, no form, or too large for the page.
      (error) => read(name !== 'formData' && !/^(Syntax|Range)Error$/.test(nameOf(error)), error),
    );
  };
  const { prototype } = Response;
  const undo = READERS.filter((name) => name in prototype).map((name) => replaceMethod(prototype, name, around(name)));
  return () => undo.forEach((each) => each());
}
