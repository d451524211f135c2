/** Greedy generation with a cache, in a batch, gives the tokens that transformers' `generate` gave. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openModelFolder } from '@tunesmith/checkpoints';
import { type Backend, buildModel, createParameterStore, createTokenGenerator, loadWeights } from '@tunesmith/core';
import { familyFor } from '@tunesmith/models';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const folder = fileURLToPath(new URL('./fixtures/families', import.meta.url));
const recordedSchema = z.array(z.object({ prompt: z.array(z.number()), tokens: z.array(z.number()) }));

const backends: [string, () => Backend | Promise<Backend>][] = [
  ['onnx-cpu', () => createOnnxBackend({ device: 'cpu' })],
  ['tfjs-cpu', () => createTfjsBackend({ prefer: 'cpu' })],
];

describe.each(backends)('generation on %s', (_, createBackend) => {
  it.each(['llama', 'gpt2'])('of %s is that of transformers', async (name) => {
    const recorded = recordedSchema.parse(JSON.parse(readFileSync(join(folder, name, 'generation.json'), 'utf8')));
    const backend = await createBackend();
    const { config, tensors, close } = await openModelFolder(join(folder, name));
    const family = familyFor(config);
    const model = buildModel({ family, config: family.parseConfig(config) });
    const parameters = createParameterStore(backend.createStore());
    await loadWeights(model, tensors, parameters);
    await close();

    const generator = createTokenGenerator({ model, parameters, backend, eosTokens: [], padToken: 0 });
    const answers: number[][] = recorded.map(() => []);
    const prompts = recorded.map(({ prompt }) => prompt);
    for await (const { row, token } of generator.generate(prompts, { maxNewTokens: 12 })) answers[row]?.push(token);
    expect(answers).toEqual(recorded.map(({ tokens }) => tokens));
    await generator.dispose();
    parameters.tensors.dispose();
  });
});
