import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['tunesmith-source'] },
  ssr: { resolve: { conditions: ['tunesmith-source'], externalConditions: ['tunesmith-source'] } },
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'packages/zoo/training/**/*.test.ts',
      'apps/*/src/**/*.test.ts',
      'examples/**/*.test.ts',
      'parity/**/*.test.ts',
      'matrix/**/*.test.ts',
      'scripts/**/*.test.ts',
    ],
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
