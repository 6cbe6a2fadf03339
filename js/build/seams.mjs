// The seams of the house, as a few questions to its text: who may name what. See the README, "How it is put together".

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { projectDir } from './setup.mjs';

/** @type {{ rule: string, within: string, except: RegExp, wrong: RegExp }[]} */
const SEAMS = [
  {
    rule: 'only abi.rs, bare.rs and id.rs name what is outside of the core',
    within: 'src',
    except: /^src\/(abi|bare|id)\.rs$/,
    wrong: /\b(wasm_bindgen|js_sys|web_sys|getrandom|core::arch)\b/,
  },
  {
    rule: 'names of attributes, events and spans stand in src/capture/names.rs',
    within: 'js/capture',
    except: /^$/,
    wrong: /['"`](http|url|server|client|network|error|exception|user_agent|browser|session)\.[a-z_.]+['"`]/,
  },
  {
    rule: 'the same, in the core',
    within: 'src',
    except: /^src\/capture\/names\.rs$/,
    wrong: /"(http|url|server|client|network|error|exception|user_agent|browser|session|webspan)\.[a-z_.]+"/,
  },
  {
    rule: 'names of the captures that are off by default stand in js/captures/names.ts',
    within: 'js/captures',
    except: /^js\/captures\/names\.ts$/,
    wrong: /['"`](http|url|server|client|network|error|exception|code|app|browser|webspan|longtask)\.[a-z_.]+['"`]/,
  },
  {
    rule: 'captures that are off by default load neither the core nor the page build',
    within: 'js/captures',
    except: /^$/,
    wrong: /^import (?!type ).*'\.\.\/(index|core|span|tracer|transport|options|capture\/[\w-]+)\.js'/,
  },
  {
    rule: 'only core.ts knows the glue',
    within: 'js',
    except: /^js\/(core\.ts$|build\.d\.ts$|build\/|viewer\/)/,
    wrong: /from '#core'/,
  },
  {
    rule: 'the WebAssembly stands in the bundle once, behind all else',
    within: 'js',
    except: /^js\/(index\.ts$|build\.d\.ts$|build\/)/,
    wrong: /__WASM_HEX__/,
  },
  {
    rule: 'only time.rs knows how many nanoseconds a millisecond has',
    within: 'src',
    except: /^src\/time\.rs$/,
    wrong: /\b(1e6|1_000_000(\.0)?|1000000)\b/,
  },
  {
    rule: 'the rooms do not know the engine',
    within: 'src',
    except: /^src\/(abi|lib|engine)\.rs$/,
    wrong: /\bcrate::engine\b/,
  },
];

/** Throws, and tells every place, when a seam is broken. */
export function checkSeams() {
  const broken = SEAMS.flatMap(({ rule, within, except, wrong }) =>
    filesBelow(join(projectDir, within))
      .map((file) => relative(projectDir, file))
      .filter((file) => !except.test(file))
      .flatMap((file) =>
        codeLines(readFileSync(join(projectDir, file), 'utf8'))
          .filter(({ text }) => wrong.test(text))
          .map(({ text, number }) => `${file}:${number}: ${rule}: ${text.trim()}`),
      ),
  );
  if (broken.length) throw new Error(broken.join('\n'));
}

function filesBelow(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return ['target', 'node_modules'].includes(entry.name) ? [] : filesBelow(path);
    return /\.(rs|ts|tsx)$/.test(entry.name) ? [path] : [];
  });
}

/** Without comments, and without the tests at the end of a Rust file. */
function codeLines(source) {
  return source
    .split(/^#\[cfg\(test\)\]$/m)[0]
    .split('\n')
    .map((text, index) => ({ text: text.replace(/(^|\s)\/\/.*/, ''), number: index + 1 }));
}
