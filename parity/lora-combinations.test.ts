/** LoRAs combined here are those that PEFT's add_weighted_adapter makes. Recorded by record_lora_combinations.py. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import { type AdapterTensor, readFloat32, type StoredTensor, type WeightedAdapter } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';

const folder = join(fixtures, 'lora-combinations');

interface Recorded {
  readonly adapters: readonly string[];
  readonly weights: readonly number[];
  readonly combination_type: string;
  readonly density?: number;
  readonly svd_rank?: number;
  readonly majority_sign_method?: string;
}

type Lora = WeightedAdapter<ReturnType<(typeof lora.definition)['config']['parse']>>;

async function readAdapter(name: string, weight: number): Promise<Lora> {
  const { config, tensors, close } = await readPeftAdapter(join(folder, name));
  const read = await Promise.all(
    tensors.names().map(async (own): Promise<AdapterTensor> => {
      const tensor = tensors.get(own) as StoredTensor;
      return { name: own, shape: tensor.shape, data: Float32Array.from(await readFloat32(tensor)) };
    }),
  );
  await close();
  return { name, weight, config: lora.definition.config.parse(lora.definition.fromPeft?.(config)), tensors: read };
}

/** B·A of every module, by A's name. */
function products(tensors: ReadonlyMap<string, Float32Array>, rank: number): Map<string, Float32Array> {
  const result = new Map<string, Float32Array>();
  for (const [name, a] of tensors) {
    if (!name.includes('lora_A')) continue;
    const b = tensors.get(name.replace('lora_A', 'lora_B')) as Float32Array;
    const [columns, rows] = [a.length / rank, b.length / rank];
    const product = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let index = 0; index < rank; index++) {
          sum += (b[row * rank + index] as number) * (a[index * columns + column] as number);
        }
        product[row * columns + column] = sum;
      }
    }
    result.set(name, product);
  }
  return result;
}

const cases = JSON.parse(await readFile(join(folder, 'cases.json'), 'utf8')) as Record<string, Recorded>;
const meta = JSON.parse(await readFile(join(folder, 'meta.json'), 'utf8')) as {
  cases: { ranks: Record<string, number>; targets: Record<string, string[]> };
};

describe.each(Object.entries(cases))('%s', (name, recorded) => {
  it('is what PEFT makes of the adapters', async () => {
    const adapters = await Promise.all(
      recorded.adapters.map((own, index) => readAdapter(own, recorded.weights[index] as number)),
    );
    const options = {
      combination: recorded.combination_type,
      ...(recorded.density !== undefined && { density: recorded.density }),
      ...(recorded.svd_rank !== undefined && { svdRank: recorded.svd_rank }),
      ...(recorded.majority_sign_method !== undefined && { majoritySign: recorded.majority_sign_method }),
    };
    const combined = lora.definition.combine?.(adapters, options);
    const rank = meta.cases.ranks[name] as number;
    expect(combined?.config).toMatchObject({ rank, alpha: rank, rankPattern: {} });
    expect([...(combined?.config.targetModules ?? [])].sort()).toEqual(meta.cases.targets[name]);

    const expected = await readFixture(join(folder, `${name}.safetensors`));
    const got = new Map(combined?.tensors.map((tensor) => [tensor.name, tensor.data]));
    expect([...got.keys()].sort()).toEqual([...expected.keys()].sort());
    // Singular vectors are free in their sign, and compared by the product that they make.
    const isFree = recorded.combination_type.endsWith('svd');
    const compared = isFree ? products(got, rank) : got;
    for (const [tensor, values] of isFree ? products(expected, rank) : expected) {
      expect(relativeError(compared.get(tensor) ?? [], values), tensor).toBeLessThan(2e-6);
    }
    if (!isFree) return;
    for (const [tensor, values] of expected) {
      const size = (each: Float32Array) => each.map(Math.abs);
      expect(relativeError(size(got.get(tensor) as Float32Array), size(values)), tensor).toBeLessThan(2e-5);
    }
  });
});
