import { configDefaults, defineConfig } from 'vitest/config';

/** Tests that open a GPU: workers that open one at the same time crash, so these files run one after the other. */
const onGpu = [
  'packages/backend-onnx/src/webgpu.contract.test.ts',
  'packages/backend-onnx/src/cuda.contract.test.ts',
  'matrix/webgpu.test.ts',
];

const projects = [
  {
    name: 'tests',
    exclude: [...configDefaults.exclude, ...onGpu],
    include: [
      'packages/*/src/**/*.test.ts',
      'packages/zoo/training/**/*.test.ts',
      'apps/*/src/**/*.test.ts',
      'examples/**/*.test.ts',
      'parity/**/*.test.ts',
      'matrix/**/*.test.ts',
      'scripts/**/*.test.ts',
    ],
  },
  { name: 'webgpu', include: onGpu, maxWorkers: 1 },
];

/** Shards of the full product, in place of the tests: `npm run matrix` names them. */
const shards = { name: 'shards', include: ['matrix/full.matrix.ts'] };

export default defineConfig({
  resolve: { conditions: ['tunesmith-source'] },
  ssr: { resolve: { conditions: ['tunesmith-source'], externalConditions: ['tunesmith-source'] } },
  test: {
    projects: (process.env.MATRIX_SHARDS === undefined ? projects : [shards]).map((test) => ({ extends: true, test })),
    // tfjs-core is some 500 ES modules that Node cannot load as they are; bundled once, they load in a tenth of a second.
    deps: {
      optimizer: {
        ssr: {
          enabled: true,
          include: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-core/dist/register_all_gradients.js'],
        },
      },
    },
    testTimeout: 60_000,
  },
});
