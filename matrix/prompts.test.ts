/**
 * What methods put before a text, in its embeddings or in its keys and values, holds wherever texts go: generated with a
 * cache and in a batch, and packed into one row.
 */
import {
  addVirtualTokens,
  createExecutableCache,
  createTokenGenerator,
  createTrace,
  evaluate,
  type HostTensor,
  type Method,
  type Model,
  type Program,
  type Row,
  randomKey,
  randomUniform,
  sft,
  type Tensor,
} from '@tunesmith/core';
import { prefixTuning, promptTuning, pTuning, pTuningV2 } from '@tunesmith/prefix';
import { type TinyModel, tinyModel, tinyRows } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { type TinyFamily, tinyFamilies } from './tiny-families.js';

const methods: Record<string, () => Method[]> = {
  'prefix tuning': () => [prefixTuning({ virtualTokens: 3 })],
  'projected prefix tuning': () => [prefixTuning({ virtualTokens: 3, projection: true })],
  'prompt tuning': () => [promptTuning({ virtualTokens: 3, init: 'random' })],
  'P-tuning': () => [pTuning({ virtualTokens: 3 })],
  'P-tuning v2': () => [pTuningV2({ virtualTokens: 3 })],
  'a prompt behind a prefix': () => [prefixTuning({ virtualTokens: 2 }), promptTuning({ virtualTokens: 3 })],
};

/** Mistral's window of five keys passes over a prefix while rows grow. */
const families: TinyFamily[] = [tinyFamilies.llama, tinyFamilies.gpt2, tinyFamilies.mistral];

describe.each(families)('$family.name', (family) => {
  it.each(Object.keys(methods))('%s generates with a cache what it predicts without', async (name) => {
    const tiny = await tinyModel(family, methods[name]?.() ?? [], backends['onnx-cpu']());
    const prompts = [2, 7, 4].map((length, row) => randomTokens(tiny.model, length, row));
    const generator = createTokenGenerator({ ...tiny, eosTokens: [], padToken: 0 });
    const rows = prompts.map((prompt) => [...prompt]);
    for await (const { row, token } of generator.generate(prompts, { maxNewTokens: 6 })) rows[row]?.push(token);
    await generator.dispose();
    const { predict, dispose } = await uncached(tiny, 12);
    for (const [index, prompt] of prompts.entries()) {
      const expected = [...prompt];
      while (expected.length < prompt.length + 6) expected.push(await predict(expected));
      expect(rows[index]).toEqual(expected);
    }
    await dispose();
    tiny.parameters.tensors.dispose();
  });

  it.each(Object.keys(methods))('%s gives packed rows the loss of their texts', async (name) => {
    const tiny = await tinyModel(family, methods[name]?.() ?? [], backends['onnx-cpu']());
    const executables = createExecutableCache(tiny.backend, tiny.parameters.tensors);
    const rows = tinyRows(tiny.model).slice(0, 3);
    const collate = { rows: 1, maxLength: 40, padToken: 0 };
    const loss = async (texts: Row[]) =>
      (await evaluate(texts, { ...tiny, objective: sft, executables, collate })).loss;
    const separate = await loss(rows);
    expect(Math.abs((await loss([pack(rows)])) - separate)).toBeLessThan(1e-5 * separate);
    await executables.dispose();
    tiny.parameters.tensors.dispose();
  });
});

function randomTokens({ shape }: Model, length: number, seed: number): Int32Array {
  const key = randomKey(23, seed);
  return Int32Array.from({ length }, (_, index) => Math.floor(randomUniform(key, index) * shape.vocabularySize));
}

/** The most likely token after a text, from a forward pass over all of it. */
async function uncached({ model, parameters, backend }: TinyModel, longest: number) {
  const length = longest + model.virtualTokens.length + 1;
  const spec = { shape: [1, length], dtype: 'int32' as const };
  const program: Program = {
    name: 'predict',
    inputs: { ids: spec, positions: spec },
    body(io) {
      const read = (handle: Model['handles'][number]): Tensor => parameters.readIn(io, handle);
      const t = createTrace(io, { training: false, resolve: model.resolve, read });
      return { outputs: { logits: model.run(t, { ids: io.input('ids'), positions: io.input('positions') }).logits() } };
    },
  };
  const executable = await backend.compile(program, parameters.tensors);
  const column = (data: Int32Array): HostTensor => ({ ...spec, data });
  return {
    async predict(text: readonly number[]): Promise<number> {
      const { tokens } = addVirtualTokens(model, {
        tokens: Int32Array.from(text),
        weights: new Float32Array(text.length),
      });
      const ids = new Int32Array(length);
      ids.set(tokens);
      const positions = ids.map((_, index) => index);
      const { logits } = await executable.run({ ids: column(ids), positions: column(positions) });
      const start = (tokens.length - 1) * model.shape.vocabularySize;
      const last = ((logits as HostTensor).data as Float32Array).subarray(start, start + model.shape.vocabularySize);
      return last.indexOf(Math.max(...last));
    },
    dispose: () => executable.dispose(),
  };
}

/** Texts in one row, each a segment of its own whose positions begin anew. */
function pack(rows: readonly Row[]): Row {
  const all = (pick: (row: Row, segment: number) => Iterable<number>): number[] =>
    rows.flatMap((row, index) => [...pick(row, index + 1)]);
  return {
    tokens: Int32Array.from(all(({ tokens }) => tokens)),
    weights: Float32Array.from(all(({ weights }) => weights)),
    positions: Int32Array.from(all(({ tokens }) => tokens.keys())),
    segments: Int32Array.from(all(({ tokens }, segment) => tokens.map(() => segment))),
  };
}
