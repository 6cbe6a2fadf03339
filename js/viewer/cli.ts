/** The `webspan` command: `webspan <command> [options]`. Each command is a file of its own and a line in `COMMANDS`. */
import { doctor } from '../doctor/doctor.js';
import { UsageError, type Command } from './command.js';
import { shortenKeys, withoutSecrets } from './redaction.js';
import { writeLine } from './terminal.js';
import { viewer } from './viewer.js';

/** Written into the built file by the build. */
declare const WEBSPAN_VERSION: string;

const COMMANDS: Record<string, Command> = { viewer, doctor };

const HELP = `webspan: OpenTelemetry tracing for the browser

Usage: webspan <command> [options]

Commands:
${Object.entries(COMMANDS)
  .map(([name, command]) => `  ${name.padEnd(10)} ${command.summary}`)
  .join('\n')}

Options:
  -h, --help     this text; with a command, the options of that command
  -v, --version  the version of webspan
`;

async function main([name, ...argv]: string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${WEBSPAN_VERSION}\n`);
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const what = name.startsWith('-') ? 'option' : 'command';
    writeLine(process.stderr, `webspan: unknown ${what} "${withoutSecrets(name)}", wanted one of: ${Object.keys(COMMANDS).join(', ')}`);
    writeLine(process.stderr, 'See webspan --help');
    return 2;
  }
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(command.help);
    return 0;
  }
  try {
    return await command.run(argv);
  } catch (error) {
    const problem = error instanceof UsageError ? error.message : whyNotParsed(error);
    if (problem === undefined) {
      // Node would write it as it is.
      for (const line of String(error instanceof Error ? error.stack : error).split('\n')) writeLine(process.stderr, line);
      return 1;
    }
    writeLine(process.stderr, `webspan ${name}: ${problem}`);
    writeLine(process.stderr, `See webspan ${name} --help`);
    return 2;
  }
}

/** `parseArgs` of Node throws its own for options it was not told about, in several lines. It repeats the option or the argument between quotes. */
function whyNotParsed(error: unknown): string | undefined {
  if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))) return undefined;
  const [what = ''] = error.message.split('\n');
  return shortenKeys(what.replace(/'(.*)'/g, (_, given: string) => `'${withoutSecrets(given)}'`));
}

process.exitCode = await main(process.argv.slice(2));
