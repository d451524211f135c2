import '@tensorflow/tfjs-backend-cpu';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { holdBack, type Program, tf } from '@tunesmith/core';
import { afterAll, describe, expect, it } from 'vitest';
import { writeModel } from '../emit/write-model.js';
import { loadOnnxRuntime, type OnnxTensor } from '../session/onnx-runtime.js';
import { traceProgram } from '../trace/trace-program.js';
import { lowerProgram } from './lower-program.js';
import { opTable } from './op-table.js';

const folder = mkdtempSync(join(tmpdir(), 'tunesmith-hold-back-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** −exp(x), and |exp(x)| once `after` is known. What is an output itself, ONNX Runtime would not merge. */
function programOf(shape: number[], after: number[]): Program {
  return {
    name: 'twice',
    inputs: { x: { shape, dtype: 'float32' }, after: { shape: after, dtype: 'float32' } },
    body: (io) => {
      const x = io.input('x');
      return { outputs: { first: tf.neg(tf.exp(x)), second: tf.abs(tf.exp(holdBack(x, io.input('after')))) } };
    },
  };
}

function lower(program: Program, onGpu: boolean) {
  return lowerProgram(
    traceProgram(program, new Map(), opTable),
    opTable,
    () => ({ dtype: 'float32', type: 'float32' }),
    onGpu,
  );
}

const negated = ({ data }: OnnxTensor) => (data as Float32Array).map((value) => -value);

describe.each([
  [
    [2, 3],
    [4, 2],
  ],
  [[3], []],
  [[], [2]],
  [[], []],
])('what is held back, of shape %j after %j', (shape, after) => {
  it.each([false, true])('is computed apart, and is what it was (on a GPU: %s)', async (onGpu) => {
    const { model, bound } = lower(programOf(shape, after), onGpu);
    const { InferenceSession, Tensor } = await loadOnnxRuntime();
    const session = await InferenceSession.create(writeModel(model), {
      executionProviders: ['cpu'],
      logSeverityLevel: 3,
      optimizedModelFilePath: join(folder, 'optimized.onnx'),
    });
    const optimized = readFileSync(join(folder, 'optimized.onnx'), 'latin1');
    expect(new Set(optimized.match(/Exp_\d+/g)).size).toBe(2);
    const size = shape.reduce((product, each) => product * each, 1);
    const x = new Tensor(
      'float32',
      Float32Array.from({ length: size }, (_, index) => index - 1),
      shape,
    );
    const infinite = new Tensor('float32', new Float32Array(after.reduce((a, b) => a * b, 1)).fill(Infinity), after);
    const barrier = new Tensor('bool', Uint8Array.of(0), []);
    const feeds = { 'input.x': x, 'input.after': infinite, barrier };
    const names = bound.map(({ graphName }) => graphName);
    const results = await session.run(
      Object.fromEntries(Object.entries(feeds).filter(([name]) => names.includes(name))),
    );
    const [first, second] = ['output.first', 'output.second'].map((name) => results[name]);
    expect(second?.dims).toEqual(shape);
    expect(second?.data).toEqual(negated(first as OnnxTensor));
    await session.release();
  });

  it('has no shape on a GPU that the host must wait for', () => {
    const { model } = lower(programOf(shape, after), true);
    const constants = new Set(model.initializers.map(({ name }) => name));
    const shapes = model.nodes.filter(({ type }) => type === 'Reshape').map(({ inputs }) => inputs[1] as string);
    expect(shapes.filter((name) => !constants.has(name))).toEqual([]);
  });
});
