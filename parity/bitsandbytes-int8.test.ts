/** LLM.int8 against bitsandbytes: equal codes, and its product with its gradient. How they were recorded: README.md beside this file. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { type Backend, decodeInt8, encodeInt8, int8, type Named, type Tensor, tf } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';

const folder = join(fixtures, 'bitsandbytes-int8');
const expected = await readFixture(join(folder, 'expected.safetensors'));
const recorded = (name: string): Float32Array => expected.get(name) as Float32Array;
const { cases } = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as {
  cases: { input: string; threshold: number; outlierColumns: number }[];
};

it.each([
  ['plain', 64],
  ['ties', 64],
  ['odd', 25],
] as const)('encodes %s weights', (name, columns) => {
  const { codes, absmax } = encodeInt8(recorded(`${name}.weight`), columns);
  expect(codes).toEqual(Int8Array.from(recorded(`${name}.codes`)));
  expect(absmax).toEqual(recorded(`${name}.absmax`));
  expect(decodeInt8({ codes, absmax })).toEqual(recorded(`${name}.values`));
});

it('refuses what float16 does not hold', () => {
  expect(() => encodeInt8(Float32Array.of(1, 2, 3, 65520), 2)).toThrow(/DATA_INVALID at row 1.*float16/);
  expect(() => encodeInt8(Float32Array.of(1, Number.NaN), 2)).toThrow('DATA_INVALID');
});

const shape = { rows: 48, columns: 64 };

/** bitsandbytes takes 1 / 127² for 6.200124e-5: a zero is missing, and its products of whole numbers are 1.8e-5 too large. */
const excess = 6.200124e-5 * 127 ** 2;

/** y = x · weightᵀ, and the gradient of the sum of y ∘ dy. */
async function product(
  backend: Backend,
  given: { x: Float32Array; dy: Float32Array },
  options: { outlierThreshold: number; integerGradient: boolean },
): Promise<{ y: Float32Array; dx: Float32Array }> {
  const store = backend.createStore();
  const codec = int8(options);
  const parts = codec.encode(recorded('plain.weight'), shape);
  for (const [name, part] of Object.entries(parts)) store.set(name, part);
  const count = given.x.length / shape.columns;
  const specs = { x: [count, shape.columns], dy: [count, shape.rows] };
  const executable = await backend.compile(
    {
      name: 'product',
      inputs: { x: { shape: specs.x, dtype: 'float32' }, dy: { shape: specs.dy, dtype: 'float32' } },
      body: (io) => {
        const weight: Named<Tensor> = { codes: io.read('codes'), absmax: io.read('absmax') };
        const run = (x: Tensor): Tensor => codec.linear(x, weight, shape);
        const dx = tf.grad((x) => tf.sum(tf.mul(run(x), io.input('dy'))))(io.input('x'));
        return { outputs: { y: run(io.input('x')), dx } };
      },
    },
    store,
  );
  const { y, dx } = await executable.run({
    x: { dtype: 'float32', shape: specs.x, data: given.x },
    dy: { dtype: 'float32', shape: specs.dy, data: given.dy },
  });
  await executable.dispose();
  store.dispose();
  return { y: y?.data as Float32Array, dx: dx?.data as Float32Array };
}

describe.each([
  ['onnx-cpu', () => createOnnxBackend()],
  ['tfjs-cpu', () => createTfjsBackend()],
] as const)('%s', (_, createBackend) => {
  it.each(cases)('multiplies $input inputs, outliers from $threshold', async ({ input, threshold, outlierColumns }) => {
    const key = `${input}.${threshold}`;
    const given = { x: recorded(`${input}.x`), dy: recorded(`${key}.dy`) };
    const backend = await createBackend();
    const exact = await product(backend, given, { outlierThreshold: threshold, integerGradient: false });
    expect(relativeError(exact.y, recorded(`${key}.y`))).toBeLessThan(2 * (excess - 1));
    // Outliers' products, which are in float, it does not magnify.
    const corrected = recorded(`${key}.y`).map((y) => y / excess);
    if (outlierColumns === 0) expect(relativeError(exact.y, corrected)).toBeLessThan(1e-6);
    expect(relativeError(exact.dx, recorded(`${key}.dx`))).toBeLessThan(2e-6);
    const rounded = await product(backend, given, { outlierThreshold: threshold, integerGradient: true });
    expect(rounded.y).toEqual(exact.y);
    const error = relativeError(rounded.dx, recorded(`${key}.dx`));
    expect(error).toBeGreaterThan(1e-4);
    expect(error).toBeLessThan(0.02);
  });
});
