/** What the doctor was given and must not show, in whatever a server makes of it. */

/** Shorter ones are no keys, and would take letters out of words. */
const LEAST_CHARS = 4;
/** Values in the query of a URL are known by their length alone: their names are the collector's own. */
const LEAST_QUERY_CHARS = 8;

const REDACTED = 'REDACTED';

export class Secrets {
  readonly #redact: (text: string) => string;
  readonly #values = new Set<string>();

  /** `redact`: takes the secrets out of URLs by their names. */
  constructor(redact: (text: string) => string) {
    this.#redact = redact;
  }

  /** The value of a header, or a key. Also the parts of it: the token of `Bearer abc`, the value of a cookie, what `Basic` encodes. */
  add(value: string): void {
    this.#remember(value.trim());
    const parts = [...value.split(/\s+/), ...value.split(/[\s,;:="]+/)];
    for (const part of parts) if (part.length >= 2 * LEAST_CHARS) this.#remember(part);
    const [, encoded] = /^Basic\s+(\S+)/i.exec(value) ?? [];
    const [, password] = /^[^:]*:(.*)/s.exec(Buffer.from(encoded ?? '', 'base64').toString()) ?? [];
    if (password !== undefined) this.#remember(password);
  }

  /** In the forms in which servers repeat it. */
  #remember(value: string): void {
    if (value.length < LEAST_CHARS) return;
    for (const form of [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1), Buffer.from(value).toString('base64')]) this.#values.add(form);
  }

  /** The values in the query of a URL. */
  addQuery(url: URL): void {
    for (const [name, value] of url.searchParams) {
      if (value.length >= LEAST_QUERY_CHARS || this.#redact(`?${name}=${value}`) !== `?${name}=${value}`) this.add(value);
    }
  }

  /** A URL that is used: nobody needs to see more of its query than the names. */
  url(url: URL): string {
    const query = url.search.replace(/=([^&]*)/g, (whole, value: string) => (value.length >= LEAST_CHARS ? `=${REDACTED}` : whole));
    return this.hide(`${url.origin}${url.pathname}${query}`);
  }

  hide(text: string): string {
    let hidden = text;
    // The longest first: one may be a part of another.
    for (const value of [...this.#values].sort((a, b) => b.length - a.length)) {
      hidden = hidden.replace(new RegExp(value.replace(/[^\w\s]/g, '\\$&'), 'gi'), REDACTED);
    }
    // Word by word: a secret reaches as far as its text does, and what follows a URL here is a sentence of ours.
    return hidden.replace(/\S+/g, (word) => this.#redact(word));
  }
}
