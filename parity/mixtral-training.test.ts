/**
 * A Mixtral whose routers have losses of their own, against transformers and torch.optim.AdamW: equal losses, balances, gradient
 * norms and weights over a few steps of padded rows, on both engines and with recomputed blocks. What the fixtures hold: README.md
 * beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openModelFolder, openSafetensors } from '@tunesmith/checkpoints';
import {
  adamw,
  type Backend,
  buildModel,
  createParameterStore,
  createTrainer,
  loadWeights,
  type Row,
  type StepEvent,
} from '@tunesmith/core';
import { mixtral } from '@tunesmith/models';
import { full } from '@tunesmith/selective';
import { rowSource } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { fixtures, relativeError } from './fixture-values.js';
import {
  batchRows,
  expectTensors,
  type Prepared,
  type RecordedCase,
  recordedCases,
  recordedRows,
  takeRecordedSteps,
  values,
} from './recorded-steps.js';

const topic = 'mixtral-training';
const recorded = recordedCases(topic).mixtral as RecordedCase;
const { balance, z, lengths } = recorded.options as { balance: number; z: number; lengths: number[] };
const losses = { output_router_logits: true, router_aux_loss_coef: balance, router_z_loss_coef: z };

async function prepare(backend: Backend, changes: object): Promise<Prepared> {
  const folder = await openModelFolder(join(fixtures, recorded.base));
  const method = full();
  const config = mixtral.parseConfig({ ...folder.config, ...changes });
  const model = buildModel({ family: mixtral, config, methods: [method] });
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, folder.tensors, parameters);
  await folder.close();
  return { model, method, parameters, backend };
}

async function unpaddedRows(): Promise<Row[]> {
  const rows = await batchRows(topic, recorded.steps);
  return rows.map(({ tokens, weights }, index) => {
    const length = lengths[index % lengths.length];
    return { tokens: tokens.slice(0, length), weights: weights.slice(0, length) };
  });
}

const onnx = (): Backend => createOnnxBackend({ device: 'cpu' });
const runs = [
  { on: 'onnx-cpu', create: onnx, gradientCheckpointing: false },
  { on: 'onnx-cpu, blocks recomputed', create: onnx, gradientCheckpointing: true },
  { on: 'tfjs-cpu', create: () => createTfjsBackend({ prefer: 'cpu' }), gradientCheckpointing: false },
  {
    on: 'tfjs-cpu, blocks recomputed',
    create: () => createTfjsBackend({ prefer: 'cpu' }),
    gradientCheckpointing: true,
  },
];

describe.each(runs)('on $on', ({ create, gradientCheckpointing }) => {
  it('balances experts as transformers does', async () => {
    const prepared = await prepare(await create(), losses);
    const events: StepEvent[] = [];
    const rows = await unpaddedRows();
    const onStep = (event: StepEvent): void => void events.push(event);
    const trained = await takeRecordedSteps(prepared, {
      ...{ topic, name: 'mixtral', recorded, rows, gradientCheckpointing, onStep },
    });
    const expected = await openSafetensors(join(fixtures, topic, 'mixtral/expected.safetensors'));
    for (const name of ['balance', 'z']) {
      const seen = events.map(({ terms }) => terms[`experts.${name}`] as number);
      expect(relativeError(seen, await values(expected, name)), name).toBeLessThan(1e-5);
    }
    const totals = events.map(
      ({ loss, terms }) => loss + balance * (terms['experts.balance'] as number) + z * (terms['experts.z'] as number),
    );
    expect(relativeError(totals, await values(expected, 'totals'))).toBeLessThan(1e-5);
    await expected.close();
    const final = await openSafetensors(join(fixtures, topic, 'mixtral/final/model.safetensors'));
    await expectTensors(trained, final, (tensor) => tensor.replace('base_model.model.', ''));
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});

it("adds up to transformers' own loss of a model with output_router_logits", async () => {
  const prepared = await prepare(onnx(), { ...losses, router_z_loss_coef: 0 });
  const rows = (await unpaddedRows()).map((row) => ({
    ...row,
    weights: row.weights.map((_, index) => Number(index > 0)),
  }));
  const total = await openSafetensors(join(fixtures, topic, 'mixtral/total.safetensors'));
  const trainer = await createTrainer({
    ...{ ...prepared, ...(await recordedRows(topic, 1)), rows: rowSource(rows), steps: 1 },
    ...{ optimizer: adamw(), learningRate: 0, weightDecay: 0 },
  });
  const steps: StepEvent[] = [];
  for await (const event of trainer.run()) if (event.type === 'step') steps.push(event);
  await trainer.dispose();
  const { loss, terms } = steps[0] as StepEvent;
  expect(Object.keys(terms)).toEqual(['experts.balance']);
  const sum = loss + balance * (terms['experts.balance'] as number);
  expect(relativeError([sum], await values(total, 'total'))).toBeLessThan(1e-5);
  await total.close();
  prepared.parameters.tensors.dispose();
});
