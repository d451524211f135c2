/**
 * LoRA in experts against PEFT: adapters that PEFT saved over Mixtral's stacked parameters give its logits, as does a file by modules
 * that PEFT converts, and twenty steps on Switch's experts and router, and on what multiplies down in Mixtral's, end where PEFT's do.
 * Recorded by record_expert_lora.py.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import { exportAdapter, type Row, seq2seq, sft } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf } from './logits.js';
import {
  batchRows,
  expectTensors,
  type Prepared,
  prepareModel,
  type RecordedCase,
  recordedCases,
  takeRecordedSteps,
} from './recorded-steps.js';

const topic = 'expert-lora';
const cases = recordedCases(topic);
const mixtral = 'mixtral/mixtral';

async function prepare(base: string, ...path: string[]): Promise<Prepared> {
  const adapter = await readPeftAdapter(join(fixtures, topic, ...path));
  const method = lora(lora.definition.fromPeft?.(adapter.config) ?? {});
  const objective = base === mixtral ? sft : seq2seq;
  const prepared = await prepareModel(base, method, createOnnxBackend({ device: 'cpu' }), adapter.tensors, objective);
  await adapter.close();
  return prepared;
}

async function switchRows(): Promise<Row[]> {
  const rows = await batchRows('switch-training', 5);
  const file = await readFixture(join(fixtures, 'switch-training/batches.safetensors'));
  const sources = file.get('source_ids') as Float32Array;
  return rows.map((row, index) => ({
    ...row,
    source: Int32Array.from(sources.subarray(index * 14, (index + 1) * 14)),
  }));
}

describe.each([
  ['parameters that PEFT adapts', 'mixtral-stacked', 'stacked'],
  ['modules, which PEFT converts', 'mixtral-modules', 'modules'],
])('an adapter by %s', (_, folder, name) => {
  it("gives PEFT's logits, and so does what is saved of it", async () => {
    const rows = (await batchRows(topic, 5)).slice(0, 4);
    const expected = (await readFixture(join(fixtures, topic, 'logits.safetensors'))).get(name) as Float32Array;
    const prepared = await prepare(mixtral, folder);
    const ids = rows.flatMap(({ tokens }) => [...(tokens as Int32Array)]);
    const { data } = await logitsOf(prepared, ids, [4, 12]);
    expect(relativeError(data, expected)).toBeLessThan(1e-5);
    const { config, tensors } = await exportAdapter(prepared.model, prepared.method, prepared.parameters);
    // By modules: what PEFT reads over transformers 5 too, where no block is left out.
    const modules = folder === 'mixtral-stacked' ? ['q_proj', 'w1', 'w3', 'w2'] : ['w1', 'w2', 'w3'];
    expect(config).toMatchObject({ target_modules: modules, r: 4, lora_alpha: 8 });
    expect(config).not.toHaveProperty('target_parameters');
    const names = tensors.map((tensor) => tensor.name);
    expect(names).toContain('base_model.model.model.layers.1.block_sparse_moe.experts.3.w3.lora_B.weight');
    expect(names).toHaveLength(2 * 2 * (4 * 3 + (folder === 'mixtral-stacked' ? 1 : 0)));
    prepared.parameters.tensors.dispose();
  });
});

it("takes PEFT's steps on Switch's experts and routers", async () => {
  const recorded = cases.switch as RecordedCase;
  const prepared = await prepare(recorded.base, 'switch', 'initial');
  const run = { topic, name: 'switch', recorded, rows: await switchRows(), objective: seq2seq };
  const trained = await takeRecordedSteps(prepared, run);
  const final = await readPeftAdapter(join(fixtures, topic, 'switch/final'));
  await expectTensors(trained, final.tensors);
  await final.close();
  prepared.parameters.tensors.dispose();
});

it("takes PEFT's steps on what multiplies down in Mixtral's experts", async () => {
  const name = 'mixtral-down';
  const recorded = cases[name] as RecordedCase;
  const prepared = await prepare(recorded.base, name, 'initial');
  const trained = await takeRecordedSteps(prepared, { topic, name, recorded, rows: await batchRows(topic, 5) });
  const final = await prepare(recorded.base, name, 'final');
  const expected = await exportAdapter(final.model, final.method, final.parameters);
  const stored = new Map(expected.tensors.map((tensor) => [tensor.name, tensor.data as Float32Array]));
  expect(trained.tensors).toHaveLength(stored.size);
  for (const { name: tensor, data } of trained.tensors) {
    expect(relativeError(data, stored.get(tensor) as Float32Array), tensor).toBeLessThan(1e-4);
  }
  for (const { parameters } of [prepared, final]) parameters.tensors.dispose();
});

it('says what it does not read of stacked parameters', async () => {
  const file = await readPeftAdapter(join(fixtures, topic, 'mixtral-stacked'));
  const read = (changes: object) => lora.definition.fromPeft?.({ ...file.config, ...changes });
  expect(() => read({ rank_pattern: { '.*\\.gate_up_proj': 8 } })).toThrow(/CAPABILITY_MISSING.*rank_pattern/s);
  await file.close();
  const unknown = lora({ targetParameters: ['experts.up_proj'] });
  const backend = createOnnxBackend({ device: 'cpu' });
  await expect(prepareModel(mixtral, unknown, backend)).rejects.toThrow(
    /NAME_UNKNOWN.*mlp\.experts\.gate_up_proj or mlp\.experts\.down_proj/s,
  );
  await expect(
    prepareModel('families/llama', lora({ targetParameters: ['experts.up_proj'] }), backend),
  ).rejects.toThrow(/this family has no such parameters/);
});
