/** The compiled core as hex text. By hand, since otherwise the whole literal would be its type. */
declare module '#wasm' {
  export const hex: string;
}
