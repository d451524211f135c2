import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, workspacePackages } from './workspace.js';

/** A copy of what the rules read: configuration and manifests, no sources. */
let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'tunesmith-boundaries-'));
  for (const file of ['biome.json', 'turbo.json', 'package.json', 'package-lock.json', '.gitignore'])
    cpSync(join(root, file), join(copy, file));
  for (const { folder } of workspacePackages())
    for (const file of ['package.json', 'turbo.json']) {
      mkdirSync(join(copy, folder), { recursive: true });
      cpSync(join(root, folder, file), join(copy, folder, file));
    }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  execFileSync('git', ['init', '--quiet'], { cwd: copy });
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(copy, path)), { recursive: true });
  writeFileSync(join(copy, path), text);
}

describe('what each part may not do (biome.json)', () => {
  const imports = 'lint/style/noRestrictedImports';
  const globals = 'lint/style/noRestrictedGlobals';
  const node = 'lint/correctness/noNodejsModules';

  /** File, text, and the one rule that must reject it; `undefined` where the text is allowed. */
  const cases: readonly [file: string, text: string, rule: string | undefined][] = [
    // Core opens no file, prints nothing, reads no environment.
    ['packages/core/src/trainer/opens-file.ts', "import { openSync } from 'node:fs';\nopenSync('x', 'r');", node],
    ['packages/core/src/trainer/prints.ts', "console.log('x');", 'lint/suspicious/noConsole'],
    ['packages/core/src/trainer/reads-env.ts', 'export const debug = process.env.DEBUG;', globals],
    // No Node API in core, models, the methods and backend-onnx's tracing; its session layer may.
    ['packages/core/src/storage/buffers.ts', 'export const bytes = Buffer.alloc(1);', globals],
    ['packages/models/src/llama/opens-file.ts', "import { openSync } from 'fs';\nopenSync('x', 'r');", node],
    ['packages/lora/src/opens-file.ts', "export const fs = await import('node:fs');", node],
    ['packages/selective/src/reads-env.ts', 'export const debug = process.env.DEBUG;', globals],
    ['packages/backend-onnx/src/trace/opens-file.ts', "export { openSync } from 'node:fs';", node],
    ['packages/backend-onnx/src/trace/waits.ts', 'setImmediate(() => {});', globals],
    ['packages/backend-onnx/src/trace/runs.ts', "export { InferenceSession } from 'onnxruntime-node';", imports],
    ['packages/backend-onnx/src/session/opens-file.ts', "export { openSync } from 'node:fs';", undefined],
    ['packages/backend-onnx/src/session/runs.ts', "export { InferenceSession } from 'onnxruntime-node';", undefined],
    ['packages/models/src/llama/opens-file.test.ts', "export { openSync } from 'node:fs';", undefined],
    // Only core's tensor folder imports tfjs; backend-tfjs imports tfjs backends, tests the CPU one.
    ['packages/core/src/trainer/tfjs.ts', "export { add } from '@tensorflow/tfjs-core';", imports],
    ['packages/core/src/tensor/tfjs.ts', "export { add } from '@tensorflow/tfjs-core';", undefined],
    ['packages/core/src/tensor/deep.ts', "import '@tensorflow/tfjs-core/dist/register_all_gradients.js';", undefined],
    ['packages/core/src/tensor/backend.ts', "import '@tensorflow/tfjs-node';", imports],
    ['packages/models/src/llama/tfjs.ts', "export type { Tensor } from '@tensorflow/tfjs-core';", imports],
    ['packages/models/src/llama/tfjs.test.ts', "export { add } from '@tensorflow/tfjs-core';", imports],
    ['packages/models/src/llama/cpu.test.ts', "import '@tensorflow/tfjs-backend-cpu';", undefined],
    ['packages/lora/src/backend.ts', "import '@tensorflow/tfjs-backend-cpu';", imports],
    ['packages/backend-tfjs/src/native.ts', "await import('@tensorflow/tfjs-node-gpu');", undefined],
    ['packages/backend-tfjs/src/cpu.ts', "import '@tensorflow/tfjs-backend-cpu';", undefined],
    ['packages/backend-tfjs/src/ops.ts', "export { add } from '@tensorflow/tfjs-core';", imports],
    ['packages/backend-tfjs/src/union.ts', "export { add } from '@tensorflow/tfjs';", imports],
    // The contract suites are for tests.
    ['packages/lora/src/suite.ts', "import '@tunesmith/testing';", imports],
    ['packages/backend-tfjs/src/suite.ts', "import '@tunesmith/testing';", imports],
    ['packages/backend-onnx/src/session/suite.ts', "import '@tunesmith/testing';", imports],
    ['apps/cli/src/suite.ts', "import '@tunesmith/testing';", imports],
    ['packages/lora/src/suite.test.ts', "import '@tunesmith/testing';", undefined],
    // The CLI wires and prints.
    ['apps/cli/src/mathematics.ts', "export { tf } from '@tunesmith/core';", imports],
    ['apps/cli/src/prints.ts', "console.log('x');", undefined],
    // House style that a machine can hold.
    ['packages/lora/src/long.ts', `${'export {};\n'.repeat(401)}`, 'lint/style/noExcessiveLinesPerFile'],
    ['packages/lora/src/long.test.ts', `${'export {};\n'.repeat(401)}`, undefined],
    ['packages/lora/src/long-table.ts', `${'export {};\n'.repeat(401)}`, undefined],
    ['packages/lora/src/any.ts', 'export type Rank = any;', 'lint/suspicious/noExplicitAny'],
    ['packages/lora/src/default.ts', 'const rank = 8;\nexport default rank;', 'lint/style/noDefaultExport'],
    ['packages/lora/src/unused.ts', 'const rank = 8;', 'lint/correctness/noUnusedVariables'],
    ['packages/lora/src/lowRank.ts', 'export const rank = 8;', 'lint/style/useFilenamingConvention'],
  ];
  const found = new Map<string, Set<string>>();

  beforeAll(() => {
    for (const [file, text] of cases) write(file, text);
    const biome = join(root, 'node_modules/.bin/biome');
    const { stdout } = spawnSync(biome, ['lint', '--reporter=json', '--max-diagnostics=none', '.'], {
      cwd: copy,
      encoding: 'utf8',
    });
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { category: string; location: { path: string } }[] };
    for (const { category, location } of diagnostics)
      found.set(location.path, (found.get(location.path) ?? new Set()).add(category));
    for (const [file] of cases) rmSync(join(copy, file));
  });

  it.each(cases)('%s', (file, _text, rule) => {
    const relevant = new Set([imports, globals, node, ...cases.map(([, , known]) => known)]);
    expect([...(found.get(file) ?? [])].filter((category) => relevant.has(category))).toEqual(rule ? [rule] : []);
  });
});

describe('the arrows (turbo.json)', () => {
  /** The packages whose dependency on the target turbo refuses, when every package of the list takes one. */
  function refused(takers: readonly string[], target: string): string[] {
    const folders = new Map(workspacePackages().map(({ folder, manifest }) => [manifest.name, folder]));
    const originals = takers.map((name) => {
      const path = join(copy, folders.get(name) ?? '', 'package.json');
      return { path, text: readFileSync(path, 'utf8') };
    });
    for (const { path, text } of originals) {
      const manifest = JSON.parse(text) as { devDependencies?: Record<string, string> };
      writeFileSync(
        path,
        JSON.stringify({ ...manifest, devDependencies: { ...manifest.devDependencies, [target]: '^0.1.0' } }),
      );
    }
    const output = boundaries();
    for (const { path, text } of originals) writeFileSync(path, text);
    return takers.filter((name) => new RegExp(`Package \`${target}\`[^\`]*\`${name}\``).test(output));
  }

  function boundaries(): string {
    const { stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/turbo'), ['boundaries', '--no-color'], {
      cwd: copy,
      encoding: 'utf8',
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
    });
    return stdout + stderr;
  }

  const scoped = (...names: string[]) => names.map((name) => `@tunesmith/${name}`);
  const libraries = workspacePackages()
    .map(({ manifest }) => manifest.name)
    .filter((name) => name.startsWith('@tunesmith/') && name !== '@tunesmith/zoo');

  /** Target, and the only libraries that may depend on it; zoo and the CLI may depend on everything. */
  const arrows: readonly [target: string, allowed: string[]][] = [
    ['@tunesmith/core', libraries],
    ['@tunesmith/data', scoped('bench', 'runtime')],
    ['@tunesmith/checkpoints', scoped('bench', 'runtime')],
    ['@tunesmith/runtime', scoped('bench')],
    ['@tunesmith/testing', libraries.filter((name) => name !== '@tunesmith/core')],
    ['@tunesmith/lora', scoped('qlora')],
    ...scoped(
      'adapter',
      'ia3',
      'prefix',
      'qlora',
      'selective',
      'models',
      'backend-onnx',
      'backend-tfjs',
      'bench',
      'zoo',
    ).map((target): [string, string[]] => [target, []]),
  ];

  it('hold between the manifests as they are', () => expect(boundaries()).toContain('no issues found'));

  it.each(arrows)('only its users may depend on %s', (target, allowed) => {
    const takers = libraries.filter((name) => name !== target);
    expect(refused(takers, target)).toEqual(takers.filter((name) => !allowed.includes(name)));
  });

  it('an import must be declared, and may not reach into another package', () => {
    write('packages/lora/src/undeclared.ts', "import '@tunesmith/models';");
    write('packages/lora/src/reaches.ts', "import '../../models/src/index.js';");
    const output = boundaries();
    expect(output).toContain('cannot import package `@tunesmith/models` because it is not a dependency');
    expect(output).toContain('import `../../models/src/index.js` leaves the package');
    for (const file of ['undeclared', 'reaches']) rmSync(join(copy, `packages/lora/src/${file}.ts`));
  });
});
