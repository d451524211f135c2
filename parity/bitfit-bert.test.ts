/**
 * BitFit on a BERT classifier against PyTorch written from the paper's code: twenty steps give equal losses, gradient norms
 * and final biases, the classifier's weight with them. How it was recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openModelFolder } from '@tunesmith/checkpoints';
import {
  adamw,
  buildModel,
  chain,
  classification,
  clipByGlobalNorm,
  constantSchedule,
  createParameterStore,
  createTrainer,
  exportAdapter,
  initialiseHandles,
  loadWeights,
  type Row,
  type RowSource,
  type TrainerCheckpoint,
} from '@tunesmith/core';
import { bert } from '@tunesmith/models';
import { bitfit } from '@tunesmith/selective';
import { expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { type RecordedCase, recordedCases } from './recorded-steps.js';

const topic = 'bitfit-bert';
const rowsOfBatch = 4;
const objective = classification({ labels: 3 });
const file = (name: string) => readFixture(join(fixtures, topic, `${name}.safetensors`));
const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

async function recordedRows(): Promise<RowSource> {
  const batches = await file('batches');
  const [ids, types, labels] = ['input_ids', 'token_type_ids', 'labels'].map((name) => batches.get(name)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const length = ids.length / labels.length;
  const rows = Array.from(labels, (label, row): Row => {
    const part = (values: Float32Array) => Int32Array.from(values.subarray(row * length, (row + 1) * length));
    const tokens = part(ids);
    return { tokens, weights: new Float32Array(length), tokenTypes: part(types), labels: Float32Array.of(label) };
  });
  return {
    length: rows.length,
    async *read(position) {
      for (let index = Number(position ?? 0); index < rows.length; index++) {
        yield { row: rows[index] as Row, position: index + 1 };
      }
    },
  };
}

it('takes the same steps as torch', async () => {
  const { steps, adamw: options, maxGradientNorm } = recordedCases(topic)['bert-bitfit'] as RecordedCase;
  const folder = await openModelFolder(join(fixtures, topic, 'base'));
  const method = bitfit();
  const head = { task: 'sequence-classification', labels: 3, checkpoint: folder.tensors } as const;
  const model = buildModel({ family: bert, config: bert.parseConfig(folder.config), methods: [method], ...head });
  const backend = createOnnxBackend({ device: 'cpu' });
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, folder.tensors, parameters);
  await folder.close();
  await initialiseHandles(parameters, model.handles, 1);

  const saved: TrainerCheckpoint[] = [];
  const save = async (checkpoint: TrainerCheckpoint): Promise<void> => void saved.push(structuredClone(checkpoint));
  const trainer = await createTrainer({
    ...{ model, parameters, backend, objective, steps, rows: await recordedRows(), schedule: constantSchedule() },
    optimizer: chain(clipByGlobalNorm(maxGradientNorm), adamw({ epsilon: options.eps })),
    ...{ learningRate: options.lr, weightDecay: options.weight_decay },
    ...{ batchSize: rowsOfBatch, maxLength: 12, padToken: 0, seed: 0 },
    checkpoints: { store: { save }, every: 1 },
  });
  const [losses, norms]: [number[], number[]] = [[], []];
  for await (const event of trainer.run()) {
    if (event.type !== 'step') continue;
    losses.push(event.loss);
    norms.push(event.gradientNorm);
  }
  await trainer.dispose();
  const expected = await file('expected');
  expect(relativeError(losses, expected.get('losses') as Float32Array)).toBeLessThan(1e-5);
  expect(relativeError(norms, expected.get('gradient_norms') as Float32Array)).toBeLessThan(1e-4);

  const final = await file('final');
  const { tensors } = await exportAdapter(model, method, parameters);
  const isKey = (name: string): boolean => name.endsWith('key.bias');
  for (const { name, data } of tensors.filter((tensor) => !isKey(tensor.name))) {
    const recorded = final.get(name.replace('base_model.model.', '')) as Float32Array;
    expect(relativeError(data, recorded), name).toBeLessThan(1e-4);
    final.delete(name.replace('base_model.model.', ''));
  }
  expect([...final.keys()]).toEqual([]);

  // A key bias cancels in the softmax: its gradient is rounding, beside a norm of about 1, here and there.
  const slots = saved[0]?.tensors.filter(({ name }) => isKey(name) && name.includes('mean')) ?? [];
  expect(slots).toHaveLength(2);
  for (const { data } of slots) expect(largest(data as Float32Array)).toBeLessThan(1e-6);
  const gradients = [...expected].filter(([name]) => name.startsWith('gradient.'));
  expect(gradients).toHaveLength(2);
  for (const [, gradient] of gradients) expect(largest(gradient)).toBeLessThan(1e-6);
  parameters.tensors.dispose();
});
