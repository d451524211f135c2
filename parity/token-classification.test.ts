/** Labels of tokens against transformers, and of spans against seqeval. The fixtures: README.md beside this file. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openModelFolder, openSafetensors } from '@tunesmith/checkpoints';
import {
  createExecutableCache,
  evaluate,
  type Family,
  type Row,
  spanScores,
  type TensorSource,
  tokenClassification,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { bert, distilbert, electra, gpt2, llama, roberta } from '@tunesmith/models';
import { describeFamily, type FamilyCase, withoutBiases } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture } from './fixture-values.js';
import { prepareModel } from './recorded-steps.js';

const topic = join(fixtures, 'token-classification');
const bodies: readonly [Family, 'encoders' | 'families'][] = [
  [bert, 'encoders'],
  [roberta, 'encoders'],
  [distilbert, 'encoders'],
  [electra, 'encoders'],
  [llama, 'families'],
  [gpt2, 'families'],
];

/** A body of the other fixtures, with the head's weights of this one. */
function tagger({ name }: Family, from: string): FamilyCase {
  return {
    name: `${name}, token-classification`,
    head: { task: 'token-classification', labels: 3 },
    disturbances: from === 'encoders' ? { biases: withoutBiases } : {},
    async load() {
      const { config, tensors } = await openModelFolder(join(fixtures, from, name));
      const expected = await openSafetensors(join(topic, `${name}.safetensors`));
      const head = expected.names().filter((tensor) => /^(score|classifier)\./.test(tensor));
      const weights: TensorSource = {
        names: () => [...new Set([...tensors.names(), ...head])],
        get: (tensor) => (head.includes(tensor) ? expected : tensors).get(tensor),
      };
      return { config, weights, expected };
    },
  };
}

for (const [family, from] of bodies) {
  const cases = [tagger(family, from)];
  describeFamily({ family, cases, on: 'onnx-cpu', createBackend: () => createOnnxBackend({ device: 'cpu' }) });
}
describeFamily({
  ...{ family: bert, cases: [tagger(bert, 'encoders')] },
  ...{ on: 'tfjs-cpu', createBackend: () => createTfjsBackend({ prefer: 'cpu' }) },
});

interface Sentences {
  readonly scheme: string;
  readonly actual: string[][];
  readonly predicted: string[][];
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

describe('spanScores', () => {
  const cases = JSON.parse(readFileSync(join(topic, 'spans.json'), 'utf8')) as Sentences[];
  it.each(cases)("are seqeval's of tags in $scheme", ({ actual, predicted, precision, recall, f1 }) => {
    const scores = spanScores(predicted, actual);
    expect(scores.precision).toBeCloseTo(precision, 12);
    expect(scores.recall).toBeCloseTo(recall, 12);
    expect(scores.f1).toBeCloseTo(f1, 12);
  });
});

it('has the loss of transformers over a checkpoint, and measures what it predicts', async () => {
  const names = ['O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC'];
  const objective = tokenClassification({ labels: names });
  // An adapter that does nothing yet.
  const untrained = lora({ targetModules: 'all-linear' });
  const base = 'token-classification/checkpoint';
  const prepared = await prepareModel(base, untrained, createOnnxBackend(), undefined, objective);
  const file = await readFixture(join(topic, 'checkpoint/rows.safetensors'));
  const get = (name: string): Float32Array => file.get(name) as Float32Array;
  const [ids, mask, labels, logits] = [get('input_ids'), get('attention_mask'), get('labels'), get('logits')];
  const length = 16;
  const rows = Array.from({ length: ids.length / length }, (_, row): Row => {
    const part = (values: Float32Array) => values.slice(row * length, (row + 1) * length);
    const seen = part(mask).reduce((sum, value) => sum + value, 0);
    const wanted = part(labels).subarray(0, seen);
    return {
      tokens: Int32Array.from(part(ids).subarray(0, seen)),
      weights: Float32Array.from(wanted, (label) => (label < 0 ? 0 : 1)),
      labels: wanted.filter((label) => label >= 0),
    };
  });
  const executables = createExecutableCache(prepared.backend, prepared.parameters.tensors);
  const collate = { rows: 2, maxLength: length, padToken: 0 };
  const { loss, metrics } = await evaluate(rows, { ...prepared, objective, executables, collate });
  await executables.dispose();
  expect(loss).toBeCloseTo((get('loss') as Float32Array)[0] as number, 5);

  const best = (at: number): number => {
    const scores = Array.from(logits.subarray(at * names.length, (at + 1) * names.length));
    return scores.indexOf(Math.max(...scores));
  };
  const tagged = [...labels.keys()].filter((at) => (labels[at] as number) >= 0);
  const right = tagged.filter((at) => best(at) === labels[at]);
  expect(metrics.accuracy).toBeCloseTo(right.length / tagged.length, 12);
  const rowsOf = (tag: (at: number) => number): string[][] =>
    rows.map((_, row) => tagged.filter((at) => Math.floor(at / length) === row).map((at) => names[tag(at)] as string));
  expect(metrics).toMatchObject(
    spanScores(
      rowsOf(best),
      rowsOf((at) => labels[at] as number),
    ),
  );
});
