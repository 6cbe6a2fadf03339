// The command as its users run it, and its parts.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { build } from 'esbuild';
import { projectDir } from '../../js/build/setup.mjs';

/** Runs `webspan doctor`. Not at once: what it asks lives in this process. */
export async function doctor(...args) {
  const child = spawn(process.execPath, [join(projectDir, 'dist/viewer/cli.js'), 'doctor', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await exited, stdout, stderr };
}

/** The findings by what was checked. */
export async function examined(...args) {
  const { status, stdout, stderr } = await doctor(...args, '--json');
  if (stderr) throw new Error(stderr);
  const told = JSON.parse(stdout);
  return { status, ...told, by: Object.fromEntries(told.findings.map((finding) => [finding.check, finding])) };
}

/** The verdicts alone. */
export const verdicts = ({ by }) => Object.fromEntries(Object.entries(by).map(([check, { verdict }]) => [check, verdict]));

/** A module of js/doctor, as Node can import it. */
export async function part(name) {
  const { outputFiles } = await build({
    entryPoints: [join(projectDir, 'js/doctor', `${name}.ts`)],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}
