import { type Backend, type HostTensor, type Program, tf } from '@tunesmith/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { floats, numbers } from './host-tensors.js';

/** Runs a body without inputs once and disposes it. */
async function evaluate(backend: Backend, store: ReturnType<Backend['createStore']>, body: Program['body']) {
  const executable = await backend.compile({ name: 'evaluate', inputs: {}, body }, store);
  try {
    return await executable.run({});
  } finally {
    await executable.dispose();
  }
}

/** 1, −2.5, 65504 and 2⁻²⁴ in half precision; 1, −2.5, 3·2¹²⁵ and 2⁻¹²⁶ in bfloat16. */
const half: HostTensor = { dtype: 'float16', shape: [2, 2], data: Uint16Array.of(0x3c00, 0xc100, 0x7bff, 0x0001) };
const brain: HostTensor = { dtype: 'bfloat16', shape: [4], data: Uint16Array.of(0x3f80, 0xc020, 0x7ec0, 0x0080) };

/** What a backend's store keeps, and how programs read and update it. */
export function describeStore(createBackend: () => Promise<Backend>): void {
  describe('store', () => {
    let backend: Backend;
    let store: ReturnType<Backend['createStore']>;
    beforeEach(async () => {
      backend = await createBackend();
      store = backend.createStore();
      return () => store.dispose();
    });

    it.each<HostTensor>([
      floats([2, 2], 1, -2, 3.5, 4),
      floats([], 7),
      { dtype: 'int32', shape: [3], data: Int32Array.of(-1, 0, 2 ** 31 - 1) },
      { dtype: 'bool', shape: [1, 2], data: Uint8Array.of(1, 0) },
      { dtype: 'uint8', shape: [3], data: Uint8Array.of(0, 128, 255) },
      { dtype: 'int8', shape: [3], data: Int8Array.of(-128, 0, 127) },
      half,
      brain,
    ])('gives back a copy of $dtype $shape', async (tensor) => {
      const kept = numbers(tensor);
      store.set('x', { ...tensor, data: tensor.data.slice() } as HostTensor);
      const first = await store.get('x');
      expect(first).toMatchObject({ dtype: tensor.dtype, shape: tensor.shape });
      expect(numbers(first)).toEqual(kept);
      first.data.fill(9);
      expect(numbers(await store.get('x'))).toEqual(kept);
    });

    it('lists, replaces and deletes', async () => {
      store.set('a', floats([2], 1, 2));
      store.set('b', floats([1], 3));
      expect(store.names().sort()).toEqual(['a', 'b']);
      store.set('a', floats([2], 5, 6));
      expect(numbers(await store.get('a'))).toEqual([5, 6]);
      store.delete('b');
      expect([store.has('a'), store.has('b')]).toEqual([true, false]);
    });

    it('refuses an unknown name and another shape or type, leaving what it had', async () => {
      store.set('weight', floats([2], 1, 2));
      await expect((async () => store.get('weigth'))()).rejects.toMatchObject({
        code: 'NAME_UNKNOWN',
        hint: expect.stringContaining('weight'),
      });
      expect(() => store.set('weight', floats([1], 1))).toThrow(/SHAPE_MISMATCH/);
      expect(() => store.set('weight', { dtype: 'int32', shape: [2], data: new Int32Array(2) })).toThrow(
        /SHAPE_MISMATCH/,
      );
      expect(numbers(await store.get('weight'))).toEqual([1, 2]);
    });

    it('lets programs read 16-bit floats as float32', async () => {
      store.set('half', half);
      store.set('brain', brain);
      const outputs = await evaluate(backend, store, (io) => ({
        outputs: { half: tf.mul(io.read('half'), 2), brain: tf.mul(io.read('brain'), 2) },
      }));
      expect(outputs.half).toMatchObject({ dtype: 'float32', shape: [2, 2] });
      expect(numbers(outputs.half)).toEqual([2, -5, 131008, 2 ** -23]);
      expect(numbers(outputs.brain)).toEqual([2, -5, 3 * 2 ** 126, 2 ** -125]);
    });

    it.each<[HostTensor, HostTensor]>([
      [
        { dtype: 'uint8', shape: [2], data: Uint8Array.of(7, 255) },
        { dtype: 'uint8', shape: [2], data: Uint8Array.of(248, 0) },
      ],
      [
        { dtype: 'int8', shape: [2], data: Int8Array.of(-128, 127) },
        { dtype: 'int8', shape: [2], data: Int8Array.of(127, -128) },
      ],
    ])('lets programs read and update bytes as int32 ($0.dtype)', async (before, after) => {
      store.set('codes', before);
      const [least, most] = before.dtype === 'int8' ? [-128, 127] : [0, 255];
      const kept = numbers(before);
      const outputs = await evaluate(backend, store, (io) => {
        const codes = io.read('codes');
        return { outputs: { codes }, updates: { codes: tf.sub(tf.scalar(least + most, 'int32'), codes) } };
      });
      expect(outputs.codes).toMatchObject({ dtype: 'int32', shape: [2] });
      expect(numbers(outputs.codes)).toEqual(kept);
      expect(await store.get('codes')).toEqual(after);
    });

    it('applies updates after every output was computed from the old values', async () => {
      store.set('a', floats([2], 1, 2));
      store.set('b', floats([2], 10, 20));
      const swap: Program['body'] = (io) => ({
        outputs: { sum: tf.add(io.read('a'), io.read('b')), a: io.read('a') },
        updates: { a: io.read('b'), b: tf.add(io.read('a'), 1) },
      });
      const executable = await backend.compile({ name: 'swap', inputs: {}, body: swap }, store);
      const first = await executable.run({});
      const second = await executable.run({});
      await executable.dispose();
      expect([numbers(first.sum), numbers(first.a)]).toEqual([
        [11, 22],
        [1, 2],
      ]);
      expect([numbers(second.sum), numbers(second.a)]).toEqual([
        [12, 23],
        [10, 20],
      ]);
      expect([numbers(await store.get('a')), numbers(await store.get('b'))]).toEqual([
        [2, 3],
        [11, 21],
      ]);
    });

    it('is shared by executables, whose order alone decides what they see', async () => {
      store.set('count', { dtype: 'int32', shape: [], data: Int32Array.of(0) });
      const increment: Program = {
        name: 'increment',
        inputs: {},
        body: (io) => ({ outputs: {}, updates: { count: tf.add(io.read('count'), tf.scalar(1, 'int32')) } }),
      };
      const write = await backend.compile(increment, store);
      const read = await backend.compile(
        { name: 'read', inputs: {}, body: (io) => ({ outputs: { count: io.read('count') } }) },
        store,
      );
      await write.run({});
      await write.run({});
      const before = await read.run({});
      store.set('count', { dtype: 'int32', shape: [], data: Int32Array.of(40) });
      await write.run({});
      const after = await read.run({});
      await Promise.all([write.dispose(), read.dispose()]);
      expect([numbers(before.count), numbers(after.count)]).toEqual([[2], [41]]);
    });

    it('trains: twenty steps of gradient descent reach what the same steps on the host do', async () => {
      store.set('w', floats([2], 3, -1));
      const step: Program = {
        name: 'step',
        inputs: { rate: { shape: [], dtype: 'float32' } },
        body: (io) => {
          const w = io.read('w');
          const loss = tf.tidy(() => tf.sum(tf.square(tf.sub(w, tf.tensor1d([1, 2])))));
          const gradient = tf.grad((x) => tf.sum(tf.square(tf.sub(x, tf.tensor1d([1, 2])))))(w);
          return { outputs: { loss }, updates: { w: tf.sub(w, tf.mul(io.input('rate'), gradient)) } };
        },
      };
      const executable = await backend.compile(step, store);
      const losses: number[] = [];
      for (let index = 0; index < 20; index++) {
        losses.push(numbers((await executable.run({ rate: floats([], 0.25) })).loss)[0]!);
      }
      await executable.dispose();
      expect(losses).toEqual(losses.map((_, index) => 13 * 0.25 ** index)); // every value is exact in float32
    });
  });
}
