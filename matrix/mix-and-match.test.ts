/**
 * Mix-and-match adapters (MAM, He et al. 2021, §4.6): prefix tuning in attention and a scaled parallel adapter beside the
 * feed-forward layer. No method of its own, but two in one recipe.
 */
import { scaledParallel } from '@tunesmith/adapter';
import { exportAdapter, importAdapter, type Method, memoryTensor } from '@tunesmith/core';
import { prefixTuning } from '@tunesmith/prefix';
import { relativeError, tinyModel, trainTiny } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { logitsUnder } from './tiny-adapters.js';
import { tinyBert, tinyGpt2, tinyLlama } from './tiny-families.js';

const prompts = [[3, 14, 15, 9, 26]];

describe.each([tinyLlama, tinyGpt2, tinyBert])('on $family.name', (tiny) => {
  const make = (seed: number) =>
    tinyModel(
      tiny,
      [
        prefixTuning({ virtualTokens: 3 }),
        scaledParallel({ convention: 'paper', reductionFactor: 4, activation: 'silu' }),
      ],
      backends['onnx-cpu'](),
      seed,
    );

  it('trains both, each in an adapter of its own', async () => {
    const trained = await make(1);
    const start = await Promise.all(trained.model.trained.map((handle) => trained.parameters.read(handle)));
    await trainTiny(trained, { steps: 4 });
    for (const [index, handle] of trained.model.trained.entries()) {
      expect(
        relativeError(await trained.parameters.read(handle), start[index] as Float32Array),
        handle.path,
      ).toBeGreaterThan(0);
    }
    const owners = new Set(trained.model.trained.map(({ owner }) => owner));
    for (const { name } of trained.model.methods) expect(owners).toContain(name);

    const loaded = await make(99);
    for (const [index, method] of trained.model.methods.entries()) {
      const { tensors } = await exportAdapter(trained.model, method, trained.parameters, trained.backend);
      const byName = new Map(tensors.map(({ name, shape, data }) => [name, memoryTensor(name, shape, data)]));
      const source = { names: () => [...byName.keys()], get: (name: string) => byName.get(name) };
      await importAdapter(loaded.model, loaded.model.methods[index] as Method, loaded.parameters, source);
    }
    if (!('objective' in tiny)) {
      expect(await logitsUnder(loaded, prompts, [[]])).toEqual(await logitsUnder(trained, prompts, [[]]));
    }
    expect(await trainTiny(loaded, { steps: 1 })).toEqual(await trainTiny(trained, { steps: 1 }));
  });
});
