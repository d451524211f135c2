import {
  type Backend,
  fillKeepMask,
  fillUniform,
  type NoiseScope,
  type Program,
  type RandomContext,
  type Shape,
  tf,
} from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { numbers } from './host-tensors.js';

const sites: Record<string, { shape: Shape; rate: number }> = {
  'layers.0': { shape: [3, 5], rate: 0.5 },
  'layers.1': { shape: [3, 5], rate: 0.5 },
  odd: { shape: [2, 3, 7], rate: 0.1 },
};

const noises: Record<string, { shape: Shape; scope: NoiseScope }> = {
  'layers.0': { shape: [3, 5], scope: 'row' },
  gates: { shape: [3, 5], scope: 'step' },
  alone: { shape: [], scope: 'step' },
};

const program: Program = {
  name: 'masks',
  inputs: {},
  body: (io) => ({
    outputs: Object.fromEntries([
      ...Object.entries(noises).map(
        ([site, { shape, scope }]) => [`noise ${site}`, tf.add(io.uniform(site, shape, scope), 0)] as const,
      ),
      ...Object.entries(sites).flatMap(([site, { shape, rate }]) => [
        [site, tf.cast(io.keepMask(site, shape, rate), 'float32')] as const,
        [`${site} again`, tf.cast(io.keepMask(site, shape, rate), 'int32')] as const,
      ]),
    ]),
  }),
};

function expectedMask(site: string, random: RandomContext): number[] {
  const { shape, rate } = sites[site]!;
  const target = new Uint8Array(tf.util.sizeFromShape([...shape]));
  fillKeepMask(target, shape, site, rate, random);
  return [...target];
}

function expectedNoise(site: string, random: RandomContext): number[] {
  const { shape, scope } = noises[site]!;
  const target = new Float32Array(tf.util.sizeFromShape([...shape]));
  fillUniform(target, shape, site, scope, random);
  return [...target];
}

/** Dropout masks and noise: rule F of the contract, bit by bit. */
export function describeMasks(createBackend: () => Promise<Backend>): void {
  describe('masks', () => {
    it('are those of fillKeepMask and fillUniform, anew for every run and equal within one', async () => {
      const backend = await createBackend();
      const store = backend.createStore();
      const executable = await backend.compile(program, store);
      for (const random of [
        { seed: 1, step: 0, firstRow: 0 },
        { seed: 1, step: 7, firstRow: 0 },
        { seed: 1, step: 7, firstRow: 4 },
        { seed: 2 ** 40 + 1, step: 7, firstRow: 4 },
      ]) {
        const outputs = await executable.run({}, { random });
        for (const site of Object.keys(sites)) {
          expect(numbers(outputs[site])).toEqual(expectedMask(site, random));
          expect(numbers(outputs[`${site} again`])).toEqual(expectedMask(site, random));
        }
        for (const site of Object.keys(noises)) {
          expect(numbers(outputs[`noise ${site}`]), site).toEqual(expectedNoise(site, random));
        }
      }
      await executable.dispose();
      store.dispose();
    });

    it('are refused without a seed', async () => {
      const backend = await createBackend();
      const store = backend.createStore();
      const executable = await backend.compile(program, store);
      await expect(executable.run({})).rejects.toThrow(/random/);
      await executable.dispose();
      store.dispose();
    });
  });
}
