// The packed declarations in the compilers, and with the settings, that applications have.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { installApp, pack } from './package.mjs';

const { tarball, remove } = pack();
const app = installApp('types', tarball);
after(() => {
  app.remove();
  remove();
});

/**
 * Compiles the fixture.
 * @returns {Promise<string[]>} what the compiler complains about
 */
function complaintsOf(compiler, ...args) {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [join(app.modulesDir, compiler, 'bin/tsc'), '--pretty', 'false', ...args], { cwd: app.dir }, (error, stdout, stderr) => {
      // With an exit code other than 0 and no complaint, it did not run.
      if (error && !/: error TS|^error TS/m.test(stdout)) reject(new Error(`${error.message}\n${stdout}${stderr}`));
      else resolve(stdout.replaceAll(/import\("[^)]*\)\./g, '').split(/\n(?! )/).filter(Boolean));
    });
  });
}

for (const compiler of ['typescript-5.9', 'typescript-6', 'typescript-7']) {
  for (const [module, moduleResolution] of [['esnext', 'bundler'], ['node16', 'node16'], ['nodenext', 'nodenext']]) {
    test(`${compiler}, strict, with the declarations checked too, resolves and compiles by ${moduleResolution}`, async () => {
      assert.deepEqual(await complaintsOf(compiler, '--project', '.', '--module', module, '--moduleResolution', moduleResolution), []);
    });
  }
}

// In 1.10 attribute values became `unknown`, which nothing but `unknown` can take; in the other direction (opentelemetry.ts)
// all compilers above use 1.10.
test('its objects and those of @opentelemetry/api 1.9 stand for each other', async () => {
  assert.deepEqual(await complaintsOf('typescript-5.9', '--project', 'tsconfig.api-1.9.json'), []);
});

test('use.ts imports everything that is exported', () => {
  // The last compiler that can be asked questions.
  const ts = createRequire(import.meta.url)(join(app.modulesDir, 'typescript-5.9'));
  const use = join(app.dir, 'use.ts');
  const program = ts.createProgram([use], { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, target: ts.ScriptTarget.ES2022 });
  const imports = program.getSourceFile(use).statements.filter(ts.isImportDeclaration);
  const imported = imports.flatMap(({ importClause }) => importClause.namedBindings.elements.map(({ name }) => name.text));
  const checker = program.getTypeChecker();
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(imports[0].moduleSpecifier)).map(({ name }) => name);
  assert.deepEqual(exported.filter((name) => !imported.includes(name)), []);
});
