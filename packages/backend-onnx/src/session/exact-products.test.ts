import { type HostTensor, linearInt8, type Program, tf } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { writeModel } from '../emit/write-model.js';
import { lowerProgram } from '../lower/lower-program.js';
import { opTable, saturatingOpTable } from '../lower/op-table.js';
import { traceProgram } from '../trace/trace-program.js';
import { multipliesBytesExactly } from './exact-products.js';
import { loadOnnxRuntime } from './onnx-runtime.js';

const [count, rows, columns] = [5, 32, 64];
const layout = { rows, columns, outlierThreshold: 0, integerGradient: true };

/** The largest bytes with like signs throughout, so that any pair of products is far beyond 16 bits; the last row is mixed. */
const x = Float32Array.from({ length: count * columns }, (_, at) => (at <= 4 * columns ? 127 : (at % 255) - 127));
const codes = Int32Array.from({ length: rows * columns }, (_, at) => (at < 31 * columns ? 127 : (at % 255) - 127));

const program: Program = {
  name: 'largest bytes',
  inputs: {
    x: { shape: [count, columns], dtype: 'float32' },
    codes: { shape: [rows, columns], dtype: 'int32' },
    absmax: { shape: [rows], dtype: 'float32' },
  },
  body: (io) => {
    const weight = [io.input('codes'), io.input('absmax')] as const;
    const y = (at: ReturnType<typeof io.input>) => linearInt8(at, weight, layout);
    const gradient = tf.grad((at) => tf.sum(tf.mul(y(at), 127)))(io.input('x'));
    return { outputs: { y: y(io.input('x')), gradient } };
  },
};

describe.each([
  ['signed codes', opTable],
  ['unsigned codes', saturatingOpTable],
])('products of bytes with %s', (_, table) => {
  it('are exact for the largest bytes, where they are used', async () => {
    if (table === opTable && !(await multipliesBytesExactly())) return;
    const runtime = await loadOnnxRuntime();
    const { model, bound } = lowerProgram(traceProgram(program, new Map(), table), table, () => {
      throw new Error('nothing is stored');
    });
    const session = await runtime.InferenceSession.create(writeModel(model));
    const given: Record<string, HostTensor['data']> = {
      'input.x': x,
      'input.codes': codes,
      'input.absmax': new Float32Array(rows).fill(127),
      barrier: Uint8Array.of(0),
    };
    const feeds = bound.map(({ graphName, type, shape }) => [
      graphName,
      new runtime.Tensor(type as 'float32', given[graphName] as Float32Array, shape),
    ]);
    const results = await session.run(Object.fromEntries(feeds));
    const dot = (length: number, a: (at: number) => number, b: (at: number) => number): number =>
      Array.from({ length }, (_, at) => a(at) * b(at)).reduce((sum, each) => sum + each);
    const y = Array.from({ length: count * rows }, (_, at) => {
      const [row, out] = [Math.floor(at / rows), at % rows];
      const xAt = (column: number): number => x[row * columns + column] as number;
      return dot(columns, xAt, (column) => codes[out * columns + column] as number);
    });
    const gradient = Array.from({ length: count * columns }, (_, at) =>
      dot(
        rows,
        () => 127,
        (row) => codes[row * columns + (at % columns)] as number,
      ),
    );
    await session.release();
    for (const [name, expected] of Object.entries({ y, gradient })) {
      const got = results[`output.${name}`]?.data as Float32Array;
      const furthest = expected.reduce((most, value, at) => Math.max(most, Math.abs(value - (got[at] as number))), 0);
      expect(furthest, name).toBeLessThan(1);
    }
  });
});
