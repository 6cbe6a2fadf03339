/** The terminal of whoever started a command. Part of what is written there comes from servers, web pages and arguments. */

/** Longer lines are cut, unless they are ours alone. */
const MAX_LINE_CHARS = 500;

/**
 * Controls (C0, DEL, C1: ESC and CSI start sequences that move the cursor, set the window's title or write to the clipboard), line ends of
 * every kind, what has no shape of its own and reorders or hides what stands beside it (U+202E, U+2066, U+200B), and halves of characters.
 */
const NOT_PRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The text as a part of one line, in which everything can be seen: a `?` for each character that cannot. */
export function printable(text: string, maxChars = Infinity): string {
  const shown = text.length > maxChars ? `${text.slice(0, maxChars)}…` : text;
  return shown.replace(NOT_PRINTABLE, '?');
}

/** Writes one line, whatever the text holds. */
export function writeLine(stream: NodeJS.WritableStream, text: string, maxChars = MAX_LINE_CHARS): void {
  stream.write(`${printable(text, maxChars)}\n`);
}
