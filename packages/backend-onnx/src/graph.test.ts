import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

it('bundles for browsers, without a runtime and without Node', async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL('graph.ts', import.meta.url))],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    external: ['@tunesmith/core'],
    metafile: true,
    write: false,
  });
  expect(Object.keys(metafile.inputs).filter((path) => /onnxruntime|src\/session/.test(path))).toEqual([]);
  expect(outputFiles[0]?.text).not.toMatch(/from "node:/);
});
