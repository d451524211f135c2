/** Switch Transformers against transformers, on both engines. What the fixture holds: README.md beside this file. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openModelFolder, openSafetensors } from '@tunesmith/checkpoints';
import {
  adamw,
  buildModel,
  constantSchedule,
  createParameterStore,
  createTrainer,
  loadWeights,
  type Row,
  type StepEvent,
  seq2seq,
  tf,
} from '@tunesmith/core';
import { switchTransformers } from '@tunesmith/models';
import { full } from '@tunesmith/selective';
import {
  describeFamily,
  type FamilyCase,
  rowSource,
  shiftedRows,
  withConfig,
  withoutSourceMask,
} from '@tunesmith/testing';
import { expect, it } from 'vitest';
import { relativeError } from './fixture-values.js';
import { answerLogitsOf } from './logits.js';
import { values } from './recorded-steps.js';

const folder = fileURLToPath(new URL('./fixtures/switch/switch', import.meta.url));

const cases: FamilyCase[] = [
  {
    name: 'switch',
    disturbances: {
      epsilon: withConfig({ layer_norm_epsilon: 1e-6 }),
      'relative positions': shiftedRows('embedding.position'),
      'largest distance': withConfig({ relative_attention_max_distance: 8 }),
      'mask of the source': withoutSourceMask,
      capacity: withConfig({ expert_capacity: 3 }),
      activation: withConfig({ dense_act_fn: 'gelu' }),
      'which expert is whose': {
        patch: (patcher) =>
          void patcher.wrap('linear', { include: ['classifier'] }, () => (x, next) => tf.reverse(next(x), -1)),
      },
    },
    async load() {
      const { config, tensors } = await openModelFolder(folder);
      return { config, weights: tensors, expected: await openSafetensors(join(folder, 'expected.safetensors')) };
    },
  },
];
const family = switchTransformers;
describeFamily({ family, on: 'onnx-cpu', createBackend: () => createOnnxBackend({ device: 'cpu' }), cases });
describeFamily({ family, on: 'tfjs-cpu', createBackend: () => createTfjsBackend({ prefer: 'cpu' }), cases });

async function prepare(changes: object) {
  const { config, tensors } = await openModelFolder(folder);
  const model = buildModel({ family, config: family.parseConfig({ ...config, ...changes }), methods: [full()] });
  const backend = createOnnxBackend({ device: 'cpu' });
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, tensors, parameters);
  return { model, parameters, backend };
}

/** The recorded rows, each with a source of as many tokens as are there, or with its padding read as text. */
async function recordedRows(padded: boolean): Promise<Row[]> {
  const file = await openSafetensors(join(folder, 'expected.safetensors'));
  const [rows = 0, length = 0] = file.get('input_ids')?.shape ?? [];
  const [ids, sources, mask] = await Promise.all(
    ['input_ids', 'source_ids', 'source_mask'].map((name) => values(file, name)),
  );
  const read = (mask?.length ?? 0) / rows;
  return Array.from({ length: rows }, (_, row) => {
    const there = mask?.subarray(row * read, (row + 1) * read).filter((each) => padded || each === 1).length;
    return {
      tokens: Int32Array.from(ids?.subarray(row * length, (row + 1) * length) ?? []),
      weights: new Float32Array(length).fill(1).fill(0, 0, 1),
      source: Int32Array.from(sources?.subarray(row * read, row * read + (there ?? 0)) ?? []),
    };
  });
}

it('drops what transformers drops above the capacity', async () => {
  const tight = await openSafetensors(join(folder, 'tight.safetensors'));
  const parts = await prepare({ expert_capacity: 3 });
  const { data } = await answerLogitsOf(parts, await recordedRows(false));
  expect(relativeError(data, await values(tight, 'logits'))).toBeLessThan(1e-4);
  parts.parameters.tensors.dispose();
});

it('has the losses of its routers', async () => {
  const recorded = await openSafetensors(join(folder, 'tight.safetensors'));
  const parts = await prepare({ output_router_logits: true });
  const rows = await recordedRows(true);
  const trainer = await createTrainer({
    ...{ ...parts, objective: seq2seq, rows: rowSource(rows), batchSize: rows.length, steps: 1 },
    ...{ optimizer: adamw(), schedule: constantSchedule(), learningRate: 0, weightDecay: 0 },
    ...{ maxLength: 64, padToken: 0, seed: 0 },
  });
  const steps: StepEvent[] = [];
  for await (const event of trainer.run()) if (event.type === 'step') steps.push(event);
  await trainer.dispose();
  for (const stack of ['encoder', 'decoder']) {
    const { [`${stack}.experts.balance`]: balance, [`${stack}.experts.z`]: z } = steps[0]?.terms ?? {};
    expect(relativeError([balance as number], await values(recorded, `${stack}_aux_loss`))).toBeLessThan(1e-5);
    expect(relativeError([z as number], await values(recorded, `${stack}_z_loss`))).toBeLessThan(1e-5);
  }
  parts.parameters.tensors.dispose();
});
