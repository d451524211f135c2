/** A key/value cache and a batch change no token, however tokens are drawn. */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTokenGenerator, type GenerateOptions, type TokenGenerator } from '@tunesmith/core';
import { tinyModel } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { tinyFamilies } from './tiny-families.js';

const prompts = [3, 7, 11].map((length, row) => Array.from({ length }, (_, index) => (17 * row + 5 * index + 2) % 48));
const count = 12;

const ways: [string, GenerateOptions][] = [
  ['greedily', {}],
  ['at a temperature', { temperature: 0.8, seed: 1 }],
  ['by top-k', { temperature: 1.5, topK: 5, seed: 2 }],
  ['by top-p', { temperature: 1.5, topP: 0.7, seed: 3 }],
  ['with a repetition penalty', { repetitionPenalty: 1.8 }],
  ['by all of them', { temperature: 1.2, topK: 20, topP: 0.9, repetitionPenalty: 1.3, seed: 4 }],
];

async function answers(generator: TokenGenerator, given: number[][], options: GenerateOptions): Promise<number[][]> {
  const rows: number[][] = given.map(() => []);
  for await (const { row, token } of generator.generate(given, options)) rows[row]?.push(token);
  return rows;
}

/** Every token from a pass over all before it: what is asked for one new token only reads no cache. */
async function withoutCache(generator: TokenGenerator, options: GenerateOptions): Promise<number[][]> {
  const rows = prompts.map((prompt) => [...prompt]);
  for (let step = 0; step < count; step++) {
    const next = await answers(generator, rows, { ...options, maxNewTokens: 1 });
    for (const [row, tokens] of next.entries()) rows[row]?.push(...tokens);
  }
  return rows.map((tokens, row) => tokens.slice((prompts[row] as number[]).length));
}

// An encoder-decoder's answers go on apart from its prompts: describeFamily holds those to passes without a cache.
const { bert: _, t5: __, ...decoders } = tinyFamilies;

describe.each(Object.entries(decoders))('%s', (_, tiny) => {
  it('draws the same tokens with a cache as without, in every way', async () => {
    const { model, parameters, backend } = await tinyModel(tiny, [], createOnnxBackend({ device: 'cpu' }));
    const generator = createTokenGenerator({ model, parameters, backend, eosTokens: [], padToken: 0 });
    const drawn = new Set<string>();
    for (const [way, options] of ways) {
      const cached = await answers(generator, prompts, { ...options, maxNewTokens: count });
      expect(cached, way).toEqual(await withoutCache(generator, options));
      drawn.add(JSON.stringify(cached));
    }
    // Each option shows: none of them draws what another does.
    expect(drawn.size).toBe(ways.length);
    await generator.dispose();
    parameters.tensors.dispose();
  });
});
