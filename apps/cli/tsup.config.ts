import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['src/index.ts', 'src/main.ts', 'src/training-child.ts', 'src/trial-child.ts', 'src/probe-child.ts'],
  format: 'esm',
  dts: { entry: 'src/index.ts' },
  sourcemap: true,
  clean: true,
});
