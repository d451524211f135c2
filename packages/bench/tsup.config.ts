import { defineConfig } from 'tsup';

export default defineConfig({
  // The worker is a file of its own, which piscina's threads load.
  entry: { index: 'src/index.ts', trial: 'src/trial.ts', 'trial-worker': 'src/runner/trial-worker.ts' },
  format: 'esm',
  dts: { entry: { index: 'src/index.ts', trial: 'src/trial.ts' } },
  sourcemap: true,
  clean: true,
});
