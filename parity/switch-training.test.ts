/**
 * A Switch Transformer whose routers have losses of their own and whose experts overflow, against transformers and
 * torch.optim.AdamW: equal losses, the routers' too, gradient norms and weights over twenty steps, on both engines and with
 * recomputed blocks. What the fixtures hold: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openModelFolder, openSafetensors } from '@tunesmith/checkpoints';
import {
  type Backend,
  buildModel,
  createParameterStore,
  loadWeights,
  type Row,
  type StepEvent,
  seq2seq,
} from '@tunesmith/core';
import { switchTransformers } from '@tunesmith/models';
import { full } from '@tunesmith/selective';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import {
  expectTensors,
  type Prepared,
  type RecordedCase,
  recordedCases,
  takeRecordedSteps,
  values,
} from './recorded-steps.js';

const topic = 'switch-training';
const recorded = recordedCases(topic).switch as RecordedCase;
const { balance, z, capacity } = recorded.options as { balance: number; z: number; capacity: number };
const [rowsOfBatch, sourceLength, length] = [4, 14, 10];

async function prepare(backend: Backend): Promise<Prepared> {
  const folder = await openModelFolder(join(fixtures, recorded.base));
  const method = full();
  const routers = { output_router_logits: true, router_aux_loss_coef: balance, router_z_loss_coef: z };
  const config = switchTransformers.parseConfig({ ...folder.config, ...routers, expert_capacity: capacity });
  const model = buildModel({ family: switchTransformers, config, methods: [method] });
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, folder.tensors, parameters);
  await folder.close();
  return { model, method, parameters, backend };
}

async function recordedRows(): Promise<Row[]> {
  const file = await readFixture(join(fixtures, topic, 'batches.safetensors'));
  return Array.from({ length: 5 * rowsOfBatch }, (_, row): Row => {
    const part = (name: string, width: number) =>
      (file.get(name) as Float32Array).slice(row * width, (row + 1) * width);
    return {
      tokens: Int32Array.from(part('input_ids', length)),
      weights: part('weights', length),
      source: Int32Array.from(part('source_ids', sourceLength)),
    };
  });
}

const onnx = (): Backend => createOnnxBackend({ device: 'cpu' });
const runs = [
  { on: 'onnx-cpu', create: onnx, gradientCheckpointing: false },
  { on: 'onnx-cpu, blocks recomputed', create: onnx, gradientCheckpointing: true },
  { on: 'tfjs-cpu', create: () => createTfjsBackend({ prefer: 'cpu' }), gradientCheckpointing: false },
];

describe.each(runs)('on $on', ({ create, gradientCheckpointing }) => {
  it('trains experts that overflow as transformers does', async () => {
    const prepared = await prepare(await create());
    const events: StepEvent[] = [];
    const onStep = (event: StepEvent): void => void events.push(event);
    const trained = await takeRecordedSteps(prepared, {
      ...{ topic, name: 'switch', recorded, objective: seq2seq, gradientCheckpointing, onStep },
      rows: await recordedRows(),
    });
    const expected = await openSafetensors(join(fixtures, topic, 'switch/expected.safetensors'));
    for (const stack of ['encoder', 'decoder']) {
      const seen = (loss: string): number[] => events.map(({ terms }) => terms[`${stack}.experts.${loss}`] as number);
      expect(relativeError(seen('balance'), await values(expected, `${stack}_aux_loss`))).toBeLessThan(1e-5);
      expect(relativeError(seen('z'), await values(expected, `${stack}_z_loss`))).toBeLessThan(1e-5);
      for (const { observed } of events) expect(observed[`${stack}.experts.droppedShare`]).toBeGreaterThanOrEqual(0);
    }
    expect(events.some(({ observed }) => (observed['encoder.experts.droppedShare'] as number) > 0.1)).toBe(true);
    await expected.close();
    const final = await openSafetensors(join(fixtures, topic, 'switch/final/model.safetensors'));
    await expectTensors(trained, final, (tensor) => tensor.replace('base_model.model.', ''));
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});
