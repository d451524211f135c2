/** AdamW, SGD and clipping against torch.optim, schedules against transformers: recorded trajectories. */
import '@tensorflow/tfjs-backend-cpu';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  adamw,
  clipByGlobalNorm,
  constantSchedule,
  cosineSchedule,
  type GradientTransformation,
  linearSchedule,
  type Schedule,
  sgd,
  type Tensor,
  tf,
} from '@tunesmith/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fixtures, readFixture, relativeError } from './fixture-values.js';

const folder = join(fixtures, 'optimizers-schedules');
const steps = 20;

const { cases } = z
  .object({ cases: z.record(z.string(), z.looseObject({})) })
  .parse(JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')));

const caseSchema = z.object({
  groups: z.record(z.string(), z.object({ lr: z.number(), weight_decay: z.number() })),
  warmup: z.number().nullable(),
  betas: z.tuple([z.number(), z.number()]).optional(),
  eps: z.number().optional(),
  momentum: z.number().optional(),
  nesterov: z.boolean().optional(),
});

const shapes = { a: [3, 5], b: [4] } as const;

/** Runs the recorded gradients of both groups through an optimizer; returns each group's values after every step. */
function trajectory(
  optimizer: GradientTransformation,
  recorded: ReadonlyMap<string, Float32Array>,
  groups: z.output<typeof caseSchema>['groups'],
  schedule: Schedule,
): Record<keyof typeof shapes, number[]> {
  const names = ['a', 'b'] as const;
  const values = { a: [] as number[], b: [] as number[] };
  const tensor = (name: 'a' | 'b', data: Float32Array): Tensor => tf.tensor(data, [...shapes[name]]);
  const parameters = Object.fromEntries(
    names.map((name) => [name, tensor(name, recorded.get(`${name}.initial`) as never)]),
  );
  let state = Object.fromEntries(
    names.map((name) => [name, Object.fromEntries(optimizer.slots.map((slot) => [slot, tf.zeros([...shapes[name]])]))]),
  ) as Record<string, Record<string, Tensor>>;
  for (let step = 0; step < steps; step++) {
    const leaves = Object.fromEntries(
      names.map((name) => [
        name,
        {
          parameter: parameters[name] as Tensor,
          state: state[name] as Record<string, Tensor>,
          scalars: Object.fromEntries(
            Object.entries(optimizer.scalars?.(step + 1) ?? {}).map(([key, value]) => [key, tf.scalar(value)]),
          ),
          learningRate: tf.scalar((groups[name]?.lr as number) * schedule(step, steps)),
          decay: groups[name]?.weight_decay as number,
          clip: '',
        },
      ]),
    );
    const gradients = Object.fromEntries(
      names.map((name) => {
        const all = recorded.get(`${name}.gradients`) as Float32Array;
        const size = all.length / steps;
        return [name, tensor(name, all.slice(step * size, (step + 1) * size))];
      }),
    );
    const result = optimizer.update(gradients, leaves, { observe: () => undefined });
    state = { ...state, ...result.state };
    for (const name of names) {
      parameters[name] = tf.add(parameters[name] as Tensor, result.updates[name] as Tensor);
      values[name].push(...parameters[name].dataSync());
    }
  }
  return values;
}

beforeAll(() => tf.setBackend('cpu'));

describe.each(['adamw', 'adamw-betas', 'adamw-scheduled', 'sgd', 'sgd-momentum'])('%s', (name) => {
  it('moves two groups as torch.optim does', async () => {
    const { groups, warmup, betas, eps, momentum } = caseSchema.parse(cases[name]);
    const [beta1, beta2] = betas ?? [];
    const optimizer =
      beta1 === undefined || beta2 === undefined || eps === undefined
        ? sgd({ momentum: momentum ?? 0 })
        : adamw({ beta1, beta2, epsilon: eps });
    const recorded = await readFixture(join(folder, `${name}.safetensors`));
    const schedule = warmup === null ? constantSchedule() : linearSchedule(warmup);
    const values = trajectory(optimizer, recorded, groups, schedule);
    for (const group of ['a', 'b'] as const) {
      expect(relativeError(values[group], recorded.get(`${group}.values`) as Float32Array), group).toBeLessThan(1e-6);
    }
  });
});

describe.each(['above', 'below', 'zero'])('gradients %s the limit', (kind) => {
  it('are clipped as torch clips them', async () => {
    const recorded = await readFixture(join(folder, 'clip-by-global-norm.safetensors'));
    const at = (name: string): Float32Array => recorded.get(`${kind}.${name}`) as Float32Array;
    const gradients = { a: tf.tensor(at('a.gradient'), [3, 5]), b: tf.tensor(at('b.gradient'), [4]) };
    const observed: Record<string, Tensor> = {};
    const { updates } = clipByGlobalNorm(1).update(
      gradients,
      {},
      {
        observe: (name, value) => {
          observed[name] = value;
        },
      },
    );
    for (const group of ['a', 'b']) {
      const error = Math.max(
        ...[...(updates[group]?.dataSync() ?? [])].map((value, index) =>
          Math.abs(value - (at(`${group}.clipped`)[index] as number)),
        ),
      );
      expect(error).toBeLessThan(1e-6);
    }
    expect(Math.abs((observed.gradientNorm?.dataSync()[0] as number) - (at('norm')[0] as number))).toBeLessThan(1e-4);
  });
});

describe('schedules', () => {
  const makers: Record<string, (warmup: number) => Schedule> = {
    linear: linearSchedule,
    cosine: cosineSchedule,
    constant: constantSchedule,
  };
  const { tables } = z
    .object({
      tables: z.array(
        z.object({
          schedule: z.string(),
          warmupSteps: z.number(),
          totalSteps: z.number(),
          factors: z.array(z.number()),
        }),
      ),
    })
    .parse(JSON.parse(readFileSync(join(folder, 'schedules.json'), 'utf8')));

  it.each(tables)(
    '$schedule of $totalSteps steps, $warmupSteps of them warm-up',
    ({ schedule, warmupSteps, totalSteps, factors }) => {
      const maker = Object.entries(makers).find(([name]) => schedule.startsWith(name))?.[1];
      expect(maker, schedule).toBeDefined();
      factors.forEach((factor, step) => {
        expect(maker?.(warmupSteps)(step, totalSteps), `step ${step}`).toBeCloseTo(factor, 10);
      });
    },
  );
  it('cosine with warm-up passes through its golden values', () => {
    const schedule = cosineSchedule(500);
    expect([250, 500, 2750, 5000].map((step) => schedule(step, 5000))).toEqual([
      0.5,
      1,
      expect.closeTo(0.5, 12),
      expect.closeTo(0, 12),
    ]);
  });
});
