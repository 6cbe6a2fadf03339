// The SDKs as pages load them: bundled and minified once, handed out under a name of their own, so that no two variants of a
// benchmark are the same source to the JavaScript engine.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { projectDir } from '../../js/build/setup.mjs';

/** @typedef {'nothing' | 'least' | 'webspan' | 'webspan-bytes' | 'opentelemetry-json' | 'opentelemetry-protobuf' | 'opentelemetry-bytes'} Sdk */

/** @type {Sdk[]} */
const SDKS = ['nothing', 'least', 'webspan', 'webspan-bytes', 'opentelemetry-json', 'opentelemetry-protobuf', 'opentelemetry-bytes'];

/** Bundles what lies in page/ with what the build has made; both are read now, and later builds change nothing. */
export async function bundlePages() {
  const pageDir = fileURLToPath(new URL('page', import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [...SDKS, 'workload'].map((name) => join(pageDir, `${name}.mjs`)),
    outdir: pageDir,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    alias: { webspan: join(projectDir, 'dist/index.js') },
    // The core in JavaScript is loaded only where WebAssembly is blocked, which no benchmark is about.
    external: ['./fallback.js', './diagnosis.js', './outbox.js'],
    legalComments: 'none',
    logLevel: 'error',
    write: false,
  });
  return new Map(outputFiles.map(({ path, text }) => [path.slice(pageDir.length + 1, -'.js'.length), text]));
}
