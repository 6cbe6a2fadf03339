// What only a build has: `js/build/build.mjs` puts it in.

/** Fetches the core in JavaScript. Another module in the ES module and in the script-tag build: only the first can be followed by bundlers. */
declare module '#fallback' {
  export const load: () => Promise<unknown>;
}
/** Fetches what explains failures. */
declare module '#diagnosis' {
  export const load: () => Promise<typeof import('./diagnosis.js')>;
}
/** Fetches what keeps spans for later pages. */
declare module '#outbox' {
  export const load: () => Promise<typeof import('./outbox.js')>;
}
/** Fetches the copy of the `web-vitals` library. */
declare module '#web-vitals' {
  export const load: () => Promise<unknown>;
}
/** The version in package.json. */
declare const __VERSION__: string;
/** The compiled core as hex text. */
declare const __WASM_HEX__: string;
