/** Labels of the model's own distribution: all of them with their probabilities, or one that is drawn by them. */
import {
  attentionMask,
  type Batch,
  classification,
  createTrace,
  type HostTensor,
  type Named,
  type Objective,
  type OwnLabels,
  type Program,
  type Row,
  sft,
  type Tensor,
  type TensorSpec,
  tf,
} from '@tunesmith/core';
import { type TinyModel, tinyModel } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { tinyBert, tinyLlama } from './tiny-families.js';

/** A row's own labels number `which`, and what the model says of them: in one program. */
async function relabelled({ model, parameters, backend, objective }: TinyModel, row: Row) {
  const batch: Batch = objective.collate([row], { rows: 1, maxLength: 16, padToken: 0 });
  const specs = Object.entries(batch.columns).map(([name, { shape, dtype }]) => [name, { shape, dtype } as TensorSpec]);
  const program: Program = {
    name: 'relabel',
    inputs: { ...Object.fromEntries(specs), which: { shape: [], dtype: 'int32' } },
    body(io) {
      const columns: Named<Tensor> = Object.fromEntries(
        Object.keys(batch.columns).map((name) => [name, io.input(name)]),
      );
      const { segments } = columns;
      const t = createTrace(io, {
        training: false,
        resolve: model.resolve,
        read: (handle) => parameters.readIn(io, handle),
        ...(segments === undefined ? {} : { mask: attentionMask(segments, segments) }),
      });
      const own = (objective.ownLabels as OwnLabels).relabel(model, columns, t, io.input('which'));
      const [labels] = Object.values(own.columns) as [Tensor];
      const scores =
        objective.predictions?.predict(model, columns, t) ??
        model
          .run(t, { ids: columns.ids as Tensor, positions: columns.positions as Tensor })
          .logits(columns.targetPositions);
      return { outputs: { labels: tf.cast(labels, 'float32'), weight: own.weight, scores } };
    },
  };
  const executable = await backend.compile(program, parameters.tensors);
  return {
    async run(which: number, firstRow: number, seed = 5) {
      const input: HostTensor = { dtype: 'int32', shape: [], data: Int32Array.of(which) };
      const outputs = await executable.run({ ...batch.columns, which: input }, { random: { seed, step: 0, firstRow } });
      return Object.fromEntries(
        Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]),
      ) as Record<'labels' | 'weight' | 'scores', Float32Array>;
    },
    dispose: () => executable.dispose(),
  };
}

const row = (labels: readonly number[] = []): Row => ({
  tokens: Int32Array.of(3, 14, 15, 9, 26),
  weights: Float32Array.of(0, 1, 0, 1, 1),
  labels: Float32Array.from(labels),
});
const softmax = (scores: Float32Array): number[] => {
  const powers = Array.from(scores, (score) => Math.exp(score - Math.max(...scores)));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
};
const tiny = async (
  family: typeof tinyLlama | typeof tinyBert,
  objective: Objective,
  backend: 'onnx-cpu' | 'tfjs-cpu',
) => tinyModel({ ...family, objective }, [], await backends[backend]());

describe.each(['onnx-cpu', 'tfjs-cpu'] as const)("the model's own labels on %s", (backend) => {
  it('are all classes, each with its probability', async () => {
    const { run, dispose } = await relabelled(await tiny(tinyBert, classification({ labels: 3 }), backend), row([0]));
    const weights: number[] = [];
    for (const which of [0, 1, 2]) {
      const { labels, weight, scores } = await run(which, 0);
      expect([...labels]).toEqual([which]);
      expect(weight[0]).toBeCloseTo(softmax(scores)[which] as number, 6);
      weights.push(weight[0] as number);
    }
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 6);
    await dispose();
  });

  it('are drawn by their probabilities where there are many, anew for every row', async () => {
    const draws = backend === 'onnx-cpu' ? 1500 : 40;
    const { run, dispose } = await relabelled(await tiny(tinyLlama, sft, backend), row());
    const seen = [0, 1, 2].map(() => new Float64Array(48));
    let expected: number[][] = [];
    for (let firstRow = 0; firstRow < draws; firstRow++) {
      const { labels, weight, scores } = await run(0, firstRow);
      expect(weight[0]).toBe(1);
      for (const [target, counts] of seen.entries()) {
        const token = labels[target] as number;
        expect(Number.isInteger(token) && token >= 0 && token < 48).toBe(true);
        counts[token] = (counts[token] as number) + 1;
      }
      expected = seen.map((_, target) => softmax(scores.subarray(48 * target, 48 * (target + 1))));
    }
    expect((await run(0, 1)).labels).toEqual((await run(0, 1)).labels);
    expect((await run(0, 1, 6)).labels.length).toBeGreaterThanOrEqual(3);
    if (backend === 'onnx-cpu') {
      for (const [target, counts] of seen.entries()) {
        const chances = expected[target] as number[];
        const squares = chances.map(
          (chance, token) => ((counts[token] as number) - draws * chance) ** 2 / (draws * chance),
        );
        // χ² of 47 degrees of freedom: above 90 once in 6,000 times.
        expect(squares.reduce((sum, each) => sum + each, 0)).toBeLessThan(90);
      }
    }
    await dispose();
  });

  it('are drawn apart where several may hold', async () => {
    const draws = backend === 'onnx-cpu' ? 800 : 40;
    const objective = classification({ labels: 3, problemType: 'multi-label' });
    const { run, dispose } = await relabelled(await tiny(tinyBert, objective, backend), row([0, 1, 0]));
    const sums = [0, 0, 0];
    let chances: number[] = [];
    for (let firstRow = 0; firstRow < draws; firstRow++) {
      const { labels, scores } = await run(0, firstRow);
      for (const [index, label] of labels.entries()) {
        expect(label === 0 || label === 1).toBe(true);
        sums[index] = (sums[index] as number) + label;
      }
      chances = Array.from(scores, (score) => 1 / (1 + Math.exp(-score)));
    }
    for (const [index, chance] of chances.entries()) {
      const deviation = Math.sqrt((chance * (1 - chance)) / draws);
      expect(Math.abs((sums[index] as number) / draws - chance)).toBeLessThan(4 * deviation);
    }
    await dispose();
  });
});
