import { defineConfig } from 'tsup';

/**
 * tfjs-core's ES modules import each other without extensions, which Node refuses, and its CommonJS file registers no
 * gradients; so core carries it bundled (docs/decisions/0002). Its Node platform asks for two modules: `util`, taken
 * from the running Node, and `node-fetch`, never reached where `fetch` is a global.
 */
const nodeModulesOfTfjs = {
  name: 'node-modules-of-tfjs',
  setup(build: import('esbuild').PluginBuild) {
    build.onResolve({ filter: /^(util|node-fetch)$/ }, ({ path }) => ({ path, namespace: 'node-modules-of-tfjs' }));
    build.onLoad({ filter: /.*/, namespace: 'node-modules-of-tfjs' }, ({ path }) => ({
      contents: path === 'util' ? "module.exports = process.getBuiltinModule('node:util')" : 'module.exports = fetch',
    }));
  },
};

export default defineConfig({
  entry: ['src/index.ts'],
  format: 'esm',
  dts: true,
  sourcemap: true,
  clean: true,
  platform: 'browser',
  noExternal: ['@tensorflow/tfjs-core'],
  esbuildPlugins: [nodeModulesOfTfjs],
});
