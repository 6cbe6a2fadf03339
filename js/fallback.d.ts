/** Fetches the core in JavaScript. Another module in the ES module and in the script-tag build: only the first can be followed by bundlers. */
declare module '#fallback' {
  export const load: () => Promise<unknown>;
}
/** The version in package.json. */
declare const __VERSION__: string;
