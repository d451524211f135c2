/** Encoders, and what classifies sequences, against transformers on both engines. The fixtures: README.md beside this file. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openModelFolder, openSafetensors } from '@tunesmith/checkpoints';
import type { TensorSource } from '@tunesmith/core';
import { bert, distilbert, electra, gpt2, llama, roberta } from '@tunesmith/models';
import {
  type Disturbance,
  describeFamily,
  type FamilyCase,
  shiftedRows,
  withConfig,
  withEpsilon,
  withoutBiases,
  withoutFuture,
} from '@tunesmith/testing';

const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));
const tasks = ['masked-lm', 'sequence-classification'] as const;
const labels = 3;

/** Both heads of one encoder. */
function encoder(name: string, disturbances: Record<string, Disturbance>): FamilyCase[] {
  return tasks.map((task) => ({
    name: `${name}, ${task}`,
    head: { task, ...(task === 'sequence-classification' ? { labels } : {}) },
    disturbances: {
      causal: withoutFuture,
      positions: shiftedRows('embedding.position'),
      biases: withoutBiases,
      ...disturbances,
    },
    async load() {
      const folder = join(fixtures, 'encoders', name);
      const { config, tensors } = await openModelFolder(folder);
      return { config, weights: tensors, expected: await openSafetensors(join(folder, `${task}.safetensors`)) };
    },
  }));
}

/** A decoder of the other fixtures, with the weight of a classifier beside its own. */
function decoder(name: string): FamilyCase {
  return {
    name: `${name}, sequence-classification`,
    head: { task: 'sequence-classification', labels },
    disturbances: {},
    async load() {
      const { config, tensors } = await openModelFolder(join(fixtures, 'families', name));
      const expected = await openSafetensors(join(fixtures, 'encoders', name, 'sequence-classification.safetensors'));
      const weights: TensorSource = {
        names: () => [...tensors.names(), 'score.weight'],
        get: (tensor) => (tensor === 'score.weight' ? expected : tensors).get(tensor),
      };
      return { config, weights, expected };
    },
  };
}

const likeBert = {
  epsilon: withConfig({ layer_norm_eps: 1e-6 }),
  activation: withConfig({ hidden_act: 'silu' }),
  'token types': shiftedRows('embedding.type'),
};
const cases = [
  { family: bert, cases: encoder('bert', likeBert) },
  { family: roberta, cases: encoder('roberta', { ...likeBert, 'first position': withConfig({ pad_token_id: 0 }) }) },
  {
    family: distilbert,
    cases: encoder('distilbert', { epsilon: withEpsilon(0.1), activation: withConfig({ activation: 'silu' }) }),
  },
  { family: electra, cases: encoder('electra', likeBert) },
  { family: llama, cases: [decoder('llama')] },
  { family: gpt2, cases: [decoder('gpt2')] },
];

for (const each of cases) {
  describeFamily({ ...each, on: 'onnx-cpu', createBackend: () => createOnnxBackend({ device: 'cpu' }) });
  describeFamily({ ...each, on: 'tfjs-cpu', createBackend: () => createTfjsBackend({ prefer: 'cpu' }) });
}
