import '@tensorflow/tfjs-backend-cpu';
import { type Program, tf } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { createOnnxBackend } from './index.js';

const [batch, features, rank, classes] = [4, 6, 2, 3];

/** One step of a low-rank update of a frozen layer, with AdamW's moments. */
const step: Program = {
  name: 'low-rank step',
  inputs: {
    x: { shape: [batch, features], dtype: 'float32' },
    y: { shape: [batch, classes], dtype: 'float32' },
    learningRate: { shape: [], dtype: 'float32' },
  },
  body: (io) => {
    const [x, y] = [io.input('x'), io.input('y')];
    const loss = (a: tf.Tensor, b: tf.Tensor): tf.Scalar => {
      const adapted = tf.matMul(tf.matMul(x, a, false, true), b, false, true);
      const logits = tf.add(tf.matMul(x, io.read('w'), false, true), adapted);
      return tf.mean(tf.sum(tf.square(tf.sub(logits, y)), -1)) as tf.Scalar;
    };
    const { value, grads } = tf.valueAndGrads(loss as never)([io.read('a'), io.read('b')]);
    const updates = Object.fromEntries(
      ['a', 'b'].flatMap((name, index) => {
        const moment = tf.add(tf.mul(io.read(`${name}.moment`), 0.9), tf.mul(grads[index] as tf.Tensor, 0.1));
        const next = tf.sub(io.read(name), tf.mul(moment, io.input('learningRate')));
        return [
          [name, next],
          [`${name}.moment`, moment],
        ];
      }),
    );
    return { outputs: { loss: value }, updates };
  },
};

function ramp(length: number, scale: number): Float32Array {
  return Float32Array.from({ length }, (_, index) => Math.sin(index + 1) * scale);
}

describe('createOnnxBackend', () => {
  it('trains a low-rank update of a frozen layer, and leaves tfjs as it was', async () => {
    await tf.setBackend('cpu');
    const before = tf.memory();
    const backend = createOnnxBackend({ threads: 1 });
    const store = backend.createStore();
    const float32 = (shape: number[], scale: number) => ({
      dtype: 'float32' as const,
      shape,
      data: ramp(
        shape.reduce((a, b) => a * b, 1),
        scale,
      ),
    });
    store.set('w', float32([classes, features], 0.5));
    store.set('a', float32([rank, features], 0.3));
    store.set('b', float32([classes, rank], 0));
    store.set('a.moment', float32([rank, features], 0));
    store.set('b.moment', float32([classes, rank], 0));
    const executable = await backend.compile(step, store);
    expect(tf.getBackend()).toBe('cpu');
    expect(tf.memory()).toEqual(before);

    const losses: number[] = [];
    for (let count = 0; count < 50; count++) {
      const { loss } = await executable.run({
        x: float32([batch, features], 1),
        y: float32([batch, classes], 1),
        learningRate: { dtype: 'float32', shape: [], data: Float32Array.of(0.1) },
      });
      losses.push(loss?.data[0] as number);
    }
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) * 0.5);
    await executable.dispose();
    store.dispose();
  });
});

describe('updates of large tensors', () => {
  const size = 2 ** 15;
  const large = (value: number) => ({
    dtype: 'float32' as const,
    shape: [size],
    data: new Float32Array(size).fill(value),
  });

  async function afterOneRun(body: Program['body']): Promise<{ w: number; kept: boolean }> {
    const backend = createOnnxBackend({ threads: 1 });
    const store = backend.createStore();
    const w = large(4);
    store.set('w', w);
    const executable = await backend.compile({ name: 'update', inputs: {}, body }, store);
    await executable.run({});
    const { data } = await store.get('w');
    expect(new Set(data).size).toBe(1);
    const kept = w.data[0] === data[0];
    await executable.dispose();
    store.dispose();
    return { w: data[0] as number, kept };
  }

  it('are written in place where nothing reads the old value later', async () => {
    const sgd: Program['body'] = (io) => {
      const w = io.read('w');
      const gradient = tf.grad((x) => tf.sum(tf.square(x)))(w);
      return { outputs: {}, updates: { w: tf.sub(w, tf.mul(gradient, 0.25)) } };
    };
    expect(await afterOneRun(sgd)).toEqual({ w: 2, kept: true });
  });

  it('are written beside the old value where an output still reads it', async () => {
    const read: Program['body'] = (io) => {
      const w = io.read('w');
      return { outputs: { sum: tf.sum(w) }, updates: { w: tf.mul(w, 2) } };
    };
    expect(await afterOneRun(read)).toEqual({ w: 8, kept: false });
  });
});

describe('stored tensors', () => {
  it('of 16 bits are updated to what 16 bits hold', async () => {
    const backend = createOnnxBackend({ threads: 1 });
    const store = backend.createStore();
    store.set('half', { dtype: 'float16', shape: [1], data: Uint16Array.of(0x3c00) });
    store.set('brain', { dtype: 'bfloat16', shape: [1], data: Uint16Array.of(0x3f80) });
    const body: Program['body'] = (io) => ({
      outputs: { half: io.read('half'), brain: io.read('brain') },
      updates: { half: tf.add(io.read('half'), 1 / 4096), brain: tf.add(io.read('brain'), 3 / 512) },
    });
    const executable = await backend.compile({ name: 'sixteen', inputs: {}, body }, store);
    await executable.run({});
    // 1 + 2⁻¹² rounds to 1 in float16, and 1 + 3 · 2⁻⁹ to 1 + 2⁻⁷ in bfloat16.
    const { half, brain } = await executable.run({});
    expect([half?.data[0], brain?.data[0]]).toEqual([1, 1 + 1 / 128]);
    expect(await store.get('brain')).toMatchObject({ dtype: 'bfloat16', data: Uint16Array.of(0x3f82) });
    await executable.dispose();
    store.dispose();
  });

  it('of another type of 16 bits are refused by what was compiled for the first', async () => {
    const backend = createOnnxBackend({ threads: 1 });
    const store = backend.createStore();
    store.set('w', { dtype: 'bfloat16', shape: [1], data: Uint16Array.of(0x3f80) });
    const body: Program['body'] = (io) => ({ outputs: { w: tf.add(io.read('w'), 1) } });
    const executable = await backend.compile({ name: 'reader', inputs: {}, body }, store);
    store.delete('w');
    store.set('w', { dtype: 'float16', shape: [1], data: Uint16Array.of(0x3c00) });
    await expect(executable.run({})).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
    await executable.dispose();
    store.dispose();
  });

  it('may be given in memory that threads share, which ONNX Runtime refuses', async () => {
    const backend = createOnnxBackend({ threads: 1 });
    const store = backend.createStore();
    const data = new Float32Array(new SharedArrayBuffer(8));
    data.set([3, 4]);
    store.set('w', { dtype: 'float32', shape: [2], data });
    const body: Program['body'] = (io) => ({ outputs: { sum: tf.sum(io.read('w')) } });
    const executable = await backend.compile({ name: 'reader', inputs: {}, body }, store);
    expect((await executable.run({})).sum?.data[0]).toBe(7);
    await executable.dispose();
    store.dispose();
  });

  it('that became another since compilation are named', async () => {
    const backend = createOnnxBackend({ threads: 1 });
    const store = backend.createStore();
    store.set('w', { dtype: 'float32', shape: [2], data: new Float32Array(2) });
    const body: Program['body'] = (io) => ({ outputs: { sum: tf.sum(io.read('w')) } });
    const executable = await backend.compile({ name: 'reader', inputs: {}, body }, store);
    store.delete('w');
    await expect(executable.run({})).rejects.toMatchObject({ code: 'NAME_UNKNOWN' });
    store.set('w', { dtype: 'float32', shape: [3], data: new Float32Array(3) });
    await expect(executable.run({})).rejects.toMatchObject({
      code: 'SHAPE_MISMATCH',
      expected: 'float32[2]',
      got: 'float32[3]',
    });
    await executable.dispose();
    store.dispose();
  });
});
