/** What `webspan <command>` is made of. */

export interface Command {
  /** One line for `webspan --help`. */
  summary: string;
  /** For `webspan <command> --help`. */
  help: string;
  /** Throws a `UsageError` for arguments it does not understand. @returns the exit code, once the command has ended */
  run(argv: string[]): Promise<number>;
}

export class UsageError extends Error {}
