import '@tensorflow/tfjs-backend-cpu';
import { type Program, tf } from '@tunesmith/core';
import { expect, it } from 'vitest';
import { writeModel } from '../emit/write-model.js';
import { loadOnnxRuntime, type OnnxTensor } from '../session/onnx-runtime.js';
import { traceProgram } from '../trace/trace-program.js';
import { lowerProgram } from './lower-program.js';
import { opTable } from './op-table.js';

it.each([
  ['a long row in two stages', [3, 4100], true, 2],
  ['a long row at once on the CPU', [3, 4100], false, 1],
  ['a short row at once', [3, 100], true, 1],
  ['a row of a prime length at once', [2, 4099], true, 1],
])('takes the extremum of %s', async (_, shape, onGpu, stages) => {
  const program: Program = {
    name: 'extremum',
    inputs: { x: { shape, dtype: 'float32' } },
    body: (io) => ({ outputs: { most: tf.max(io.input('x'), -1), least: tf.min(io.input('x'), -1, true) } }),
  };
  const format = () => ({ dtype: 'float32', type: 'float32' }) as const;
  const { model } = lowerProgram(traceProgram(program, new Map(), opTable), opTable, format, onGpu);
  expect(model.nodes.filter(({ type }) => type === 'ReduceMax').length).toBe(stages);

  const [rows = 0, length = 0] = shape;
  const data = Float32Array.from({ length: rows * length }, (_, index) => Math.sin(index * 1.7));
  const { InferenceSession, Tensor } = await loadOnnxRuntime();
  const session = await InferenceSession.create(writeModel(model), { executionProviders: ['cpu'] });
  const results = await session.run({ 'input.x': new Tensor('float32', data, shape) });
  const each = Array.from({ length: rows }, (_, row) => data.subarray(row * length, (row + 1) * length));
  expect(results['output.most']?.dims).toEqual([rows]);
  expect([...(results['output.most'] as OnnxTensor).data]).toEqual(each.map((row) => Math.max(...row)));
  expect(results['output.least']?.dims).toEqual([rows, 1]);
  expect([...(results['output.least'] as OnnxTensor).data]).toEqual(each.map((row) => Math.min(...row)));
  await session.release();
});
