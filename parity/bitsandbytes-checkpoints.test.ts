/**
 * Checkpoints that transformers saved of models quantised by bitsandbytes: equal logits, and equal bytes when written again.
 * How they were recorded: README.md beside this file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { bitsandbytesTensors, openModelFolder, openSafetensors } from '@tunesmith/checkpoints';
import {
  buildModel,
  createParameterStore,
  type Handle,
  loadWeights,
  quantizationOf,
  quantizationSchema,
  type StoredTensor,
} from '@tunesmith/core';
import { familyFor } from '@tunesmith/models';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf, type ParityModel } from './logits.js';

const topic = join(fixtures, 'bitsandbytes-checkpoints');
const { cases } = JSON.parse(readFileSync(join(topic, 'meta.json'), 'utf8')) as { cases: Record<string, object> };
const backend = createOnnxBackend();

async function open(name: string, quantization?: Parameters<typeof buildModel>[0]['quantization']) {
  const { config, tensors, close } = await openModelFolder(join(topic, name));
  const family = familyFor(config);
  const form = { checkpoint: tensors, ...(quantization && { quantization }) };
  const model = buildModel({ family, config: family.parseConfig(config), ...form });
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, tensors, parameters);
  await close();
  return { model, parameters, backend };
}

async function errorOf(name: string, parts: ParityModel): Promise<number> {
  const expected = await readFixture(join(topic, name, 'expected.safetensors'));
  const { data } = await logitsOf(parts, expected.get('input_ids') as Float32Array, [2, 16]);
  return relativeError(data, expected.get('logits') as Float32Array);
}

function encoded({ model, parameters }: ParityModel): Handle[] {
  return model.handles.filter((handle) => parameters.encodingOf(handle) !== undefined);
}

describe.each(Object.keys(cases))('%s', (name) => {
  const isInt8 = name.endsWith('int8');
  it('gives the logits that transformers gives, as codes and as values', async () => {
    const kept = await open(name);
    expect(encoded(kept).length).toBe(name.startsWith('gpt2') ? 8 : 14);
    const error = await errorOf(name, kept);
    if (isInt8) {
      // What is recorded is of the decoded values; beside them, inputs are rounded: bitsandbytes' own distance is `own`.
      const { own } = cases[name] as { own: number };
      expect(error).toBeGreaterThan(own / 10);
      expect(error).toBeLessThan(1.5 * own);
    } else expect(error).toBeLessThan(1e-5);
    const values = await open(name, 'none');
    expect(encoded(values)).toEqual([]);
    expect(await errorOf(name, values)).toBeLessThan(1e-5);
  });

  it('is written again byte by byte', async () => {
    const kept = await open(name);
    const file = await openSafetensors(join(topic, name, 'model.safetensors'));
    for (const handle of encoded(kept)) {
      const { codec, rows, columns } = kept.model.encodingOf(handle) as NonNullable<
        ReturnType<typeof kept.model.encodingOf>
      >;
      const parts = await kept.parameters.readParts(handle);
      const tensors = bitsandbytesTensors({ name: handle.path, codec, rows, columns, parts, dtype: 'float32' });
      const parts8 = ['SCB', 'weight_format'].map((part) => handle.path.replace(/weight$/, part));
      const recorded = file.names().filter((each) => each.startsWith(handle.path) || parts8.includes(each));
      expect(tensors.map((tensor) => tensor.name).sort()).toEqual(recorded.sort());
      for (const tensor of tensors) {
        const other = file.get(tensor.name) as StoredTensor;
        const [ours, theirs] = [await tensor.read(), await other.read()];
        if (tensor.name.includes('quant_state')) {
          const text = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());
          expect(text(ours)).toEqual(text(theirs));
        } else {
          expect([tensor.dtype, tensor.shape]).toEqual([other.dtype, other.shape]);
          expect(Buffer.compare(ours, theirs), tensor.name).toBe(0);
        }
      }
    }
    await file.close();
  });
});

it('is encoded anew where other codes are asked for, and not where they are the same', async () => {
  const [settings, other] = [{ doubleQuantization: false }, { type: 'fp4' as const }].map((each) =>
    quantizationOf(quantizationSchema.parse(each)),
  );
  expect(await errorOf('llama-nf4', await open('llama-nf4', settings))).toBeLessThan(1e-5);
  expect(await errorOf('llama-nf4', await open('llama-nf4', other))).toBeGreaterThan(1e-2);
});
