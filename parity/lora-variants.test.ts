/**
 * DoRA, PiSSA, OLoRA, embeddings, tokens, LoRA+ and LoRA-FA against PEFT: equal logits before training, and twenty steps from
 * equal weights give equal losses, gradient norms and final weights. Recorded by record_lora_variants.py; see README.md.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import { peftName } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf, type ParityModel } from './logits.js';
import { type Prepared, prepareModel, type RecordedCase, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'lora-variants';
const cases = recordedCases(topic);
/** What a file of PEFT's has no field for: how the adapter was trained. */
const training: Record<string, Parameters<typeof lora>[0]> = {
  'lora-plus': { loraPlusRatio: 4, loraPlusEmbeddingRate: 1e-3 },
  'lora-fa': { useLoraFa: true },
  'lora-fa-decay': { useLoraFa: true },
};

async function load(base: string, adapterPath: string, more: Parameters<typeof lora>[0] = {}): Promise<Prepared> {
  const adapter = await readPeftAdapter(adapterPath);
  const method = lora({ ...lora.definition.fromPeft?.(adapter.config), ...more });
  const prepared = await prepareModel(base, method, createOnnxBackend(), adapter.tensors);
  await adapter.close();
  return prepared;
}

describe.each(Object.keys(cases))('%s', (name) => {
  const recorded = cases[name] as RecordedCase;
  const folder = join(fixtures, topic, name);
  const expectLogits = async (loaded: ParityModel, state: 'initial' | 'final'): Promise<void> => {
    const ids = (await readFixture(join(fixtures, 'lora-training/batches.safetensors'))).get(
      'probe_ids',
    ) as Float32Array;
    const expected = (await readFixture(join(folder, 'expected.safetensors'))).get(`probe_logits.${state}`);
    expect(relativeError((await logitsOf(loaded, ids, [2, 16])).data, expected as Float32Array)).toBeLessThan(1e-5);
  };

  it('takes the same steps as PEFT', async () => {
    const loaded = await load(recorded.base, join(folder, 'initial'), training[name]);
    await expectLogits(loaded, 'initial');
    // LoRA+ brings groups of its own.
    const groups = name === 'lora-plus' ? { groups: [] } : {};
    const run = { topic, name, recorded, batches: 'lora-training', ...groups };
    const { tensors } = await takeRecordedSteps(loaded, run);
    await expectLogits(loaded, 'final');

    const final = await readFixture(join(folder, 'final/adapter_model.safetensors'));
    for (const handle of loaded.model.trained) {
      const values = final.get(peftName(handle.path)) as Float32Array;
      expect(relativeError(await loaded.parameters.read(handle), values), handle.path).toBeLessThan(1e-4);
    }
    const names = tensors.map((tensor) => tensor.name).sort();
    if (!(await isThere(join(folder, 'converted')))) {
      expect(names).toEqual([...final.keys()].sort());
      return;
    }
    const converted = await readFixture(join(folder, 'converted/adapter_model.safetensors'));
    expect(names).toEqual([...converted.keys()].sort());
    // The second halves, A₀ and −B₀, are as good with other signs: what counts is their product.
    for (const { name: a, data, shape } of tensors.filter((tensor) => tensor.name.endsWith('lora_A.weight'))) {
      const b = a.replace('lora_A', 'lora_B');
      const doubled = shape[0] as number;
      const ours = startProduct(tensors.find((tensor) => tensor.name === b)?.data as ArrayLike<number>, data, doubled);
      const theirs = startProduct(converted.get(b) as Float32Array, converted.get(a) as Float32Array, doubled);
      expect(relativeError(ours, theirs), a).toBeLessThan(1e-4);
    }
    loaded.parameters.tensors.dispose();
  });

  it("loads PEFT's final adapter", async () => {
    const loaded = await load(recorded.base, join(folder, 'final'));
    await expectLogits(loaded, 'final');
    loaded.parameters.tensors.dispose();
  });
});

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The product of the second halves of B [out, 2·rank] and A [2·rank, in], [out, in]. */
function startProduct(b: ArrayLike<number>, a: ArrayLike<number>, doubled: number): Float32Array {
  const [height, width] = [b.length / doubled, a.length / doubled];
  return Float32Array.from({ length: height * width }, (_, index) => {
    const [row, column] = [Math.floor(index / width), index % width];
    let sum = 0;
    for (let k = doubled / 2; k < doubled; k++)
      sum += (b[row * doubled + k] as number) * (a[k * width + column] as number);
    return sum;
  });
}
