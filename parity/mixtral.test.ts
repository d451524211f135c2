/** Mixtral against transformers, on both engines. What the fixture holds: README.md beside this file. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openModelFolder, openSafetensors } from '@tunesmith/checkpoints';
import { tf } from '@tunesmith/core';
import { mixtral } from '@tunesmith/models';
import { describeFamily, type FamilyCase, reversedKeyHeads, withConfig } from '@tunesmith/testing';

const folder = fileURLToPath(new URL('./fixtures/mixtral/mixtral', import.meta.url));

const cases: FamilyCase[] = [
  {
    name: 'mixtral',
    disturbances: {
      epsilon: withConfig({ rms_norm_eps: 1e-6 }),
      'rope theta': withConfig({ rope_theta: 10_000 }),
      'which queries share which keys': reversedKeyHeads,
      'experts of a token': withConfig({ num_experts_per_tok: 1 }),
      'which expert is whose': {
        patch: (patcher) =>
          void patcher.wrap('linear', { include: ['gate'] }, () => (x, next) => tf.reverse(next(x), -1)),
      },
    },
    async load() {
      const { config, tensors } = await openModelFolder(folder);
      return { config, weights: tensors, expected: await openSafetensors(join(folder, 'expected.safetensors')) };
    },
  },
];

describeFamily({ family: mixtral, on: 'onnx-cpu', createBackend: () => createOnnxBackend({ device: 'cpu' }), cases });
describeFamily({ family: mixtral, on: 'tfjs-cpu', createBackend: () => createTfjsBackend({ prefer: 'cpu' }), cases });
