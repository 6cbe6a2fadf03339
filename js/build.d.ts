// What only a build has: `js/build/build.mjs` puts it in.

/** Fetches the core in JavaScript. Another module in the ES module and in the script-tag build: only the first can be followed by bundlers. */
declare module '#fallback' {
  export const load: () => Promise<unknown>;
  /** The same for what explains failures. */
  export const loadDiagnosis: () => Promise<typeof import('./diagnosis.js')>;
}
/** The version in package.json. */
declare const __VERSION__: string;
/** The compiled core as hex text. */
declare const __WASM_HEX__: string;
