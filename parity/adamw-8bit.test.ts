/** State in 8 bits against bitsandbytes' AdamW8bit: equal maps, codes and values. How they were recorded: README.md beside this file. */
import '@tensorflow/tfjs-backend-cpu';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { adamw, dynamicMap, eightBitState, parameterState, type Tensor, tf } from '@tunesmith/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fixtures, readFixture, relativeError } from './fixture-values.js';

const topic = join(fixtures, 'adamw-8bit');
const { cases } = z
  .object({
    cases: z
      .object({ steps: z.number(), options: z.looseObject({ lr: z.number(), weight_decay: z.number() }) })
      .catchall(z.looseObject({ shape: z.tuple([z.number(), z.number()]) })),
  })
  .parse(JSON.parse(readFileSync(join(topic, 'meta.json'), 'utf8')));
const expected = await readFixture(join(topic, 'expected.safetensors'));
const recorded = (name: string): Float32Array => expected.get(name) as Float32Array;
const optimizer = eightBitState(adamw({ beta2: 0.99 }));

beforeAll(async () => {
  await tf.setBackend('cpu');
});

it.each([
  ['signed', true],
  ['unsigned', false],
] as const)("has bitsandbytes' %s values, bit by bit", (name, signed) => {
  expect(dynamicMap(signed)).toEqual(recorded(`map.${name}`));
});

/** A parameter's value and its state after the recorded gradients. */
function trained(name: 'big' | 'odd' | 'small'): Record<string, Float32Array> {
  const { shape: recordedShape = [] } = cases[name] ?? {};
  const shape = [...recordedShape];
  const { steps, options } = cases;
  let parameter: Tensor = tf.tensor(recorded(`${name}.initial`), shape);
  const kept = parameterState(optimizer, { key: name, shape }).slots;
  let state = Object.fromEntries(
    Object.entries(kept).map(([slot, { dtype, shape: own }]): [string, Tensor] => [
      slot,
      tf.zeros([...own], dtype === 'uint8' ? 'int32' : 'float32'),
    ]),
  );
  const gradients = recorded(`${name}.gradients`);
  const size = gradients.length / steps;
  for (let step = 0; step < steps; step++) {
    const scalars = Object.entries(optimizer.scalars?.(step + 1) ?? {});
    const leaf = {
      ...{ parameter, state, learningRate: tf.scalar(options.lr), decay: options.weight_decay, clip: '' },
      scalars: Object.fromEntries(scalars.map(([key, value]) => [key, tf.scalar(value)])),
    };
    const gradient = tf.tensor(gradients.slice(step * size, (step + 1) * size), shape);
    const result = optimizer.update({ it: gradient }, { it: leaf }, { observe: () => undefined });
    parameter = tf.add(parameter, result.updates.it as Tensor);
    state = { ...state, ...result.state.it };
  }
  const values = Object.entries({ ...state, values: parameter }).map(([slot, tensor]) => [slot, tensor.dataSync()]);
  return Object.fromEntries(values);
}

describe.each(['big', 'odd'] as const)('a %s parameter', (name) => {
  it('takes the values, and keeps the codes', () => {
    const got = trained(name);
    for (const [slot, part] of [
      ['mean', 1],
      ['variance', 2],
    ] as const) {
      const codes = recorded(`${name}.codes${part}`);
      const ours = (got[`${slot}.codes`] as Float32Array).subarray(0, codes.length);
      // A sum that is rounded otherwise may end beside the middle of two codes.
      const apart = [...codes].map((code, index) => Math.abs(code - (ours[index] as number))).filter((by) => by > 0);
      expect(apart.length, slot).toBeLessThan(codes.length / 1000);
      expect(Math.max(0, ...apart)).toBeLessThan(2);
      expect(relativeError(got[`${slot}.absmax`] as Float32Array, recorded(`${name}.absmax${part}`))).toBeLessThan(
        1e-6,
      );
    }
    const moved = recorded(`${name}.values`).map(
      (value, index) => value - (recorded(`${name}.initial`)[index] as number),
    );
    const ours = (got.values as Float32Array).map(
      (value, index) => value - (recorded(`${name}.initial`)[index] as number),
    );
    // Only where a code was another on the way is the value too.
    const largest = moved.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const far = ours.filter((value, index) => Math.abs(value - (moved[index] as number)) > 1e-5 * largest);
    expect(far.length).toBeLessThan(moved.length / 100);
    expect(relativeError(ours, moved)).toBeLessThan(1e-2);
  });
});

it('keeps parameters of fewer than 4,096 elements in float32', () => {
  const got = trained('small');
  expect(Object.keys(got).sort()).toEqual(['mean', 'values', 'variance']);
  expect(relativeError(got.values as Float32Array, recorded('small.values'))).toBeLessThan(1e-6);
});
