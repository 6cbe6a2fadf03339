/** Arguments as they may be repeated in a message: without what may be a secret. */
import { redact } from './server.js';

export { redact };

/** As much of what may be a key as tells which one it is. */
const KEY_START_CHARS = 4;

/** Keys stand in the place of a URL, or as an option, when two arguments were exchanged. */
export function shortenKeys(text: string): string {
  return text.replace(/[\w-]{20,}/g, (word) => (/\d/.test(word) && /[a-z]/i.test(word) ? `${word.slice(0, KEY_START_CHARS)}…` : word));
}

/**
 * An argument that was refused, and hence is not known to be a URL: without what stands before an `@` or in the place of a password, and without
 * what follows a `?` or a `#`.
 */
export function withoutSecrets(given: string): string {
  const at = given.lastIndexOf('@');
  const shown = (at < 0 ? given : `…${given.slice(at)}`).replace(/[?#].*$/s, (query) => `${query[0]}…`);
  // `https://user:password` without its `@`, or with that percent-encoded: no port is written like this.
  const withoutPassword = shown.replace(/^([a-z][a-z\d+.-]*:[\\/]*)[^\\/?#[\]]*:(?!\d*(?:[\\/?#]|$))[^\\/?#]*/i, '$1…');
  return shortenKeys(redact(withoutPassword));
}
