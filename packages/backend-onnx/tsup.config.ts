import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['src/index.ts', 'src/graph.ts'],
  format: 'esm',
  dts: true,
  sourcemap: true,
  clean: true,
});
