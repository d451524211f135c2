/** Fails if a part that must run in a browser reaches a Node module: bundles each as a browser would load it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from './workspace.js';

/** Sources that run in a browser; backend-onnx without its session layer is its `graph` entry. */
const portable = [
  'packages/core/src/index.ts',
  'packages/models/src/index.ts',
  'packages/lora/src/index.ts',
  'packages/selective/src/index.ts',
  'packages/backend-onnx/src/graph.ts',
].filter((path) => existsSync(join(root, path)));

try {
  await build({
    absWorkingDir: root,
    entryPoints: portable,
    bundle: true,
    write: false,
    outdir: 'unwritten',
    format: 'esm',
    platform: 'browser',
    conditions: ['tunesmith-source'],
    logLevel: 'error',
  });
  console.log(`✓ ${portable.length} browser bundles`);
} catch {
  process.exitCode = 1; // esbuild has printed which file imports what
}
