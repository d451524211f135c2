/** Every family against transformers, on both engines. What the fixtures hold: README.md beside this file. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openModelFolder, openSafetensors } from '@tunesmith/checkpoints';
import { gpt2, llama, mistral, qwen2, qwen3 } from '@tunesmith/models';
import {
  type Disturbance,
  describeFamily,
  type FamilyCase,
  reversedKeyHeads,
  withConfig,
  withoutBiases,
  withoutNorm,
} from '@tunesmith/testing';

const folder = fileURLToPath(new URL('./fixtures/families', import.meta.url));

function fixture(
  name: string,
  disturbances: Record<string, Disturbance>,
  { packed = false }: { packed?: boolean } = {},
): FamilyCase {
  return {
    name,
    disturbances,
    async load() {
      const { config, tensors } = await openModelFolder(join(folder, name));
      const expected = await openSafetensors(join(folder, name, 'expected.safetensors'));
      const rows = packed ? { packed: await openSafetensors(join(folder, name, 'packed.safetensors')) } : {};
      return { config, weights: tensors, expected, ...rows };
    },
  };
}

const llamaLike = {
  'rope theta': withConfig({ rope_theta: 10_000 }),
  epsilon: withConfig({ rms_norm_eps: 1e-6 }),
  'which queries share which keys': reversedKeyHeads,
};

const cases = [
  {
    family: llama,
    cases: [
      fixture('llama', llamaLike, { packed: true }),
      fixture('llama-tied', llamaLike),
      fixture('llama3-rope', {
        ...llamaLike,
        'rope scaling': withConfig({ rope_parameters: { rope_type: 'default', rope_theta: 4000 } }),
        'rope factor': withConfig({ factor: 4 }),
        'low-frequency factor': withConfig({ low_freq_factor: 2 }),
        'high-frequency factor': withConfig({ high_freq_factor: 8 }),
        'original length': withConfig({ original_max_position_embeddings: 64 }),
      }),
    ],
  },
  {
    family: mistral,
    cases: [
      fixture('mistral', { ...llamaLike, 'sliding window': withConfig({ sliding_window: 7 }) }),
      fixture('mistral-sliding', {
        ...llamaLike,
        'no window': withConfig({ sliding_window: null }),
        'window one longer': withConfig({ sliding_window: 8 }),
        'window one shorter': withConfig({ sliding_window: 6 }),
      }),
    ],
  },
  { family: qwen2, cases: [fixture('qwen2', { ...llamaLike, biases: withoutBiases })] },
  {
    family: qwen3,
    cases: [fixture('qwen3', { ...llamaLike, 'query norm': withoutNorm('q_norm'), 'key norm': withoutNorm('k_norm') })],
  },
  {
    family: gpt2,
    cases: [
      fixture(
        'gpt2',
        {
          epsilon: withConfig({ layer_norm_epsilon: 1e-6 }),
          activation: withConfig({ activation_function: 'relu' }),
          biases: withoutBiases,
        },
        { packed: true },
      ),
    ],
  },
];

for (const each of cases) {
  describeFamily({ ...each, on: 'onnx-cpu', createBackend: () => createOnnxBackend({ device: 'cpu' }) });
  describeFamily({ ...each, on: 'tfjs-cpu', createBackend: () => createTfjsBackend({ prefer: 'cpu' }) });
}
