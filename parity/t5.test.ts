/** T5 1.0 and 1.1 against transformers, on both engines. What the fixtures hold: README.md beside this file. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openModelFolder, openSafetensors } from '@tunesmith/checkpoints';
import { buildModel, createParameterStore, createTokenGenerator, loadWeights, tf } from '@tunesmith/core';
import { t5 } from '@tunesmith/models';
import { describeFamily, type FamilyCase, shiftedRows, withConfig, withoutSourceMask } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('./fixtures/t5', import.meta.url));

function fixture(name: string, otherActivation: string): FamilyCase {
  return {
    name,
    disturbances: {
      epsilon: withConfig({ layer_norm_epsilon: 1e-6 }),
      'relative positions': shiftedRows('embedding.position'),
      'largest distance': withConfig({ relative_attention_max_distance: 18 }),
      'mask of the source': withoutSourceMask,
      'scale of the head': {
        patch: (patcher) =>
          void patcher.wrap('linear', { include: ['lm_head'] }, () => (x, next) => next(tf.mul(x, 1.01))),
      },
      activation: withConfig({ feed_forward_proj: otherActivation, dense_act_fn: null }),
    },
    async load() {
      const { config, tensors } = await openModelFolder(join(folder, name));
      return { config, weights: tensors, expected: await openSafetensors(join(folder, name, 'expected.safetensors')) };
    },
  };
}

const cases = [fixture('t5', 'gelu'), fixture('flan-t5', 'gated-silu')];
describeFamily({ family: t5, on: 'onnx-cpu', createBackend: () => createOnnxBackend({ device: 'cpu' }), cases });
describeFamily({ family: t5, on: 'tfjs-cpu', createBackend: () => createTfjsBackend({ prefer: 'cpu' }), cases });

describe.each(['t5', 'flan-t5'])('%s', (name) => {
  it("generates transformers' tokens, prompts of different lengths together", async () => {
    const { config, tensors } = await openModelFolder(join(folder, name));
    const backend = createOnnxBackend({ device: 'cpu' });
    const model = buildModel({ family: t5, config: t5.parseConfig(config) });
    const parameters = createParameterStore(backend.createStore());
    await loadWeights(model, tensors, parameters);
    const recorded = JSON.parse(await readFile(join(folder, name, 'generation.json'), 'utf8')) as {
      prompt: number[];
      tokens: number[];
    }[];
    const generator = createTokenGenerator({ model, parameters, backend, eosTokens: [], padToken: 0 });
    const answers: number[][] = recorded.map(() => []);
    const prompts = recorded.map(({ prompt }) => prompt);
    for await (const { row, token } of generator.generate(prompts, { maxNewTokens: 12 })) answers[row]?.push(token);
    expect(answers).toEqual(recorded.map(({ tokens }) => tokens));
    await generator.dispose();
    parameters.tensors.dispose();
  });
});

it("reads the same model from transformers 5's config of a head of its own", async () => {
  const { config } = await openModelFolder(join(folder, 'flan-t5'));
  const newer: Record<string, unknown> = JSON.parse(await readFile(join(folder, 'flan-t5', 'config.v5.json'), 'utf8'));
  expect(newer.tie_word_embeddings).toBe(true);
  expect(t5.parseConfig(newer)).toEqual(t5.parseConfig(config));
});
