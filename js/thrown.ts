// What can be said of anything that was thrown. Anything can be: also what has no text, or throws when it is asked for it.

/** The text of a value. Never throws. */
export function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return typeof value;
  }
}

/** Runs what may throw, where there is nobody to tell of it. */
export function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // So be it.
  }
}

/** Type, message and stack trace. Never throws. */
export function describeThrown(thrown: unknown): { type: string; message: string; stack: string } {
  try {
    const { code, name, message, stack } = Object(thrown) as Partial<Record<'code' | 'name' | 'message' | 'stack', unknown>>;
    return {
      // A code says more than a name, but for the numbers that DOMExceptions still have from of old.
      type: textOf((typeof code === 'string' && code) || name || typeof thrown),
      message: textOf(message ?? thrown),
      stack: textOf(stack ?? ''),
    };
  } catch {
    return { type: typeof thrown, message: '', stack: '' };
  }
}

/** The name of what was thrown; empty where it has none. Never throws. */
export function nameOf(thrown: unknown): string {
  try {
    return textOf((thrown as { name?: unknown } | undefined)?.name ?? '');
  } catch {
    return '';
  }
}
