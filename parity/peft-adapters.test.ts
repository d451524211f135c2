/** Adapters that PEFT saved, loaded here, give the logits that PEFT computed with them. Recorded by record_lora_training.py. */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openModelFolder, readPeftAdapter } from '@tunesmith/checkpoints';
import { buildModel, createParameterStore, importAdapter, loadWeights, type Method } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { familyFor } from '@tunesmith/models';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf, type ParityModel } from './logits.js';

const folder = join(fixtures, 'lora-training');

const cases = [
  ['llama', 'llama'],
  ['llama-zero-b', 'llama'],
  ['llama-all-linear-rslora', 'llama'],
  ['llama-saved-head', 'llama'],
  ['llama-saved-embedding', 'llama'],
  ['gpt2', 'gpt2'],
] as const;

async function load(base: string, adapterPath?: string): Promise<ParityModel> {
  const checkpoint = await openModelFolder(join(fixtures, 'families', base));
  const adapter = adapterPath === undefined ? undefined : await readPeftAdapter(adapterPath);
  const methods: Method[] = adapter === undefined ? [] : [lora(lora.definition.fromPeft?.(adapter.config) ?? {})];
  const family = familyFor(checkpoint.config);
  const model = buildModel({ family, config: family.parseConfig(checkpoint.config), methods });
  const backend = createOnnxBackend();
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, checkpoint.tensors, parameters);
  if (adapter !== undefined) await importAdapter(model, methods[0] as Method, parameters, adapter.tensors);
  await checkpoint.close();
  await adapter?.close();
  return { model, parameters, backend };
}

describe.each(cases)("PEFT's %s", (name, base) => {
  it.each(['initial', 'final'])('%s adapter gives the recorded logits', async (state) => {
    const ids = (await readFixture(join(folder, 'batches.safetensors'))).get('probe_ids') as Float32Array;
    const expected = await readFixture(join(folder, name, 'expected.safetensors'));
    const recorded = expected.get(`probe_logits.${state}`) as Float32Array;
    const adapted = await load(base, join(folder, name, state));
    expect(relativeError((await logitsOf(adapted, ids, [2, 16])).data, recorded)).toBeLessThan(1e-5);
    adapted.parameters.tensors.dispose();
    if (state === 'initial') return;
    // The adapter shows: without it the logits are others.
    const plain = await load(base);
    expect(relativeError((await logitsOf(plain, ids, [2, 16])).data, recorded)).toBeGreaterThan(1e-2);
    plain.parameters.tensors.dispose();
  });
});
