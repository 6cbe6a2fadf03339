// What a page loads, in bytes, against the limits: `npm run size`. Ends with 1 when something is over its limit, and says what is
// above its goal.
// Brotli 11 with a window of 24 bits, gzip 9. OpenTelemetry JS is bundled and measured the same way, for the ratio.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { projectDir } from './setup.mjs';

/**
 * For brotli 11, in bytes; by row. The goal is where it has to get to; the limit is where it stands: every saving takes it down, and only a new
 * capability takes it up, in the commit that brings it.
 *
 * @type {Record<string, { goal: number, limit: number }>}
 */
const LIMITS = {
  'all that is on by default': { goal: 13_500, limit: 37_970 },
  'of which JavaScript': { goal: 5_000, limit: 18_950 },
  'of which WebAssembly, without the hex': { goal: 11_000, limit: 17_660 },
};

const OPENTELEMETRY = 'OpenTelemetry JS, the same without any instrumentation';

/** The least that sends spans from a page with OpenTelemetry JS, as its documentation sets it up. */
const openTelemetry = (exporter, instrumentations) => `
  import { BatchSpanProcessor, WebTracerProvider } from '@opentelemetry/sdk-trace-web';
  import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-${exporter}';
  const provider = new WebTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: '/v1/traces' }))] });
  provider.register();
  ${
    instrumentations &&
    `import { registerInstrumentations } from '@opentelemetry/instrumentation';
    import { DocumentLoadInstrumentation } from '@opentelemetry/instrumentation-document-load';
    import { FetchInstrumentation } from '@opentelemetry/instrumentation-fetch';
    import { XMLHttpRequestInstrumentation } from '@opentelemetry/instrumentation-xml-http-request';
    registerInstrumentations({ instrumentations: [new FetchInstrumentation(), new XMLHttpRequestInstrumentation(), new DocumentLoadInstrumentation()] });`
  }
  globalThis.tracer = provider.getTracer('page');`;

async function bundled(source) {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: projectDir },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    write: false,
  });
  return outputFiles[0].contents;
}

/** Splits a bundle of ours into the WebAssembly and the JavaScript around it. */
function parts(bundle) {
  const text = bundle.toString();
  const [literal, hex] = text.match(/["'`](0061736d[0-9a-f]+)["'`]/) ?? [];
  if (!literal) throw new Error('dist/index.js holds no WebAssembly as hex text: is the build complete?');
  return { hex: Buffer.from(hex), wasm: Buffer.from(hex, 'hex'), javaScript: Buffer.from(text.replace(literal, '""')) };
}

function sizes(bytes) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotliCompressSync(bytes, { params }).length };
}

function built(name) {
  try {
    return readFileSync(join(projectDir, 'dist', name));
  } catch (error) {
    throw new Error(`there is no dist/${name}: run \`npm run build\``, { cause: error });
  }
}

async function main() {
  const index = built('index.js');
  const { hex, wasm, javaScript } = parts(index);
  const rows = {
    'all that is on by default': index,
    'of which JavaScript': javaScript,
    'of which WebAssembly, as hex text': hex,
    'of which WebAssembly, without the hex': wasm,
    'webspan.global.js, for a script tag': built('webspan.global.js'),
    'fallback.js, only where WebAssembly is blocked': built('fallback.js'),
    'diagnosis.js, only with `debug: true`': built('diagnosis.js'),
    'outbox.js, only with `outbox`': built('outbox.js'),
    'captures.js, only where it is imported': built('captures.js'),
    'web-vitals.js, only where webVitals() is used': built('web-vitals.js'),
    [OPENTELEMETRY]: await bundled(openTelemetry('http', false)),
    'OpenTelemetry JS, fetch, XHR, document load': await bundled(openTelemetry('http', true)),
    'OpenTelemetry JS, the same with protobuf': await bundled(openTelemetry('proto', true)),
  };
  const measured = Object.fromEntries(Object.entries(rows).map(([row, bytes]) => [row, sizes(bytes)]));
  const bytes = (value) => (value === undefined ? '' : value.toLocaleString('en')).padStart(9);

  console.log(`${''.padEnd(62)}${['raw', 'gzip 9', 'brotli 11', 'limit', 'goal', 'ratio'].map((head) => head.padStart(11)).join('')}`);
  let over = 0;
  for (const [row, { raw, gzip, brotli }] of Object.entries(measured)) {
    const { goal, limit } = LIMITS[row] ?? {};
    const isOver = brotli > limit;
    if (isOver) over++;
    const ratio = (brotli / measured[OPENTELEMETRY].brotli).toFixed(2);
    const cells = [raw, gzip, brotli, limit, goal].map((value) => `  ${bytes(value)}`).join('');
    console.log(`${row.padEnd(62)}${cells}${ratio.padStart(11)}${isOver ? '  OVER' : brotli > goal ? '  above its goal' : ''}`);
  }
  console.log(`\nratio: to the ${measured[OPENTELEMETRY].brotli.toLocaleString('en')} B of "${OPENTELEMETRY}"`);
  process.exitCode = over > 0 ? 1 : 0;
}

await main();
