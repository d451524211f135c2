import { type Backend, type Program, tf } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { floats, numbers } from './host-tensors.js';

const step: Program = {
  name: 'step',
  inputs: { x: { shape: [2], dtype: 'float32' } },
  body: (io) => {
    const w = io.read('w');
    const [gradient] = tf.grads((weight: tf.Tensor) => tf.sum(tf.square(tf.mul(weight, io.input('x')))))([w]);
    const product = tf.mul(w, io.input('x'));
    return { outputs: { product }, updates: { w: tf.sub(w, tf.mul(gradient!, 0)) } };
  },
};

/** Lifetimes: what is freed when, what belongs to whom, and what a backend leaves as it found it. */
export function describeLifecycle(createBackend: () => Promise<Backend>): void {
  describe('lifecycle', () => {
    it('compiles, runs and disposes twenty times without leaving a tensor behind', async () => {
      const backend = await createBackend();
      const store = backend.createStore();
      store.set('w', floats([2], 1, 2));
      let before: number | undefined;
      for (let round = 0; round < 20; round++) {
        const executable = await backend.compile(step, store);
        for (const x of [1, 2]) {
          expect(numbers((await executable.run({ x: floats([2], x, x) })).product)).toEqual([x, 2 * x]);
        }
        await executable.dispose();
        await executable.dispose(); // does nothing
        before ??= tf.memory().numTensors;
      }
      expect(tf.memory().numTensors).toBe(before);
      store.dispose();
    });

    it('hands out outputs that later runs do not touch, and keeps no input', async () => {
      const backend = await createBackend();
      const store = backend.createStore();
      store.set('w', floats([2], 1, 2));
      const executable = await backend.compile(step, store);
      const x = floats([2], 3, 4);
      const first = await executable.run({ x });
      x.data.fill(100);
      await executable.run({ x });
      expect(numbers(first.product)).toEqual([3, 8]);
      await executable.dispose();
      store.dispose();
    });

    it('leaves the store to others when an executable is disposed', async () => {
      const backend = await createBackend();
      const store = backend.createStore();
      store.set('w', floats([2], 1, 2));
      const [one, other] = [await backend.compile(step, store), await backend.compile(step, store)];
      await one.dispose();
      expect(numbers((await other.run({ x: floats([2], 1, 1) })).product)).toEqual([1, 2]);
      await other.dispose();
      expect(numbers(await store.get('w'))).toEqual([1, 2]);
      store.dispose();
    });

    it("leaves TensorFlow.js's active backend as it was", async () => {
      await tf.setBackend('cpu');
      const backend = await createBackend();
      const store = backend.createStore();
      store.set('w', floats([2], 1, 2));
      expect(tf.getBackend()).toBe('cpu');
      const executable = await backend.compile(step, store);
      expect(tf.getBackend()).toBe('cpu');
      await executable.run({ x: floats([2], 1, 1) });
      expect(tf.getBackend()).toBe('cpu');
      await executable.dispose();
      store.dispose();
    });
  });
}
