import { type HostTensor, type Program, TunesmithError, tf } from '@tunesmith/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createTfjsBackend } from './create-tfjs-backend.js';

const scalar = (value: number): HostTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) });

const counter: Program = {
  name: 'counter',
  inputs: { by: { shape: [], dtype: 'float32' } },
  body: (io) => {
    const sum = tf.add(io.read('count'), io.input('by'));
    return { outputs: { before: io.read('count'), sum }, updates: { count: sum } };
  },
};

describe('createTfjsBackend', () => {
  afterEach(() => vi.restoreAllMocks());

  it('says which device it took and why, and prints nothing', async () => {
    const printed = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'log'), vi.spyOn(console, 'error')];
    const backend = await createTfjsBackend();
    expect(backend.name).toBe('tfjs-cpu');
    expect(backend.reason).toBe('cpu: the best installed; tfjs-node-gpu is not installed; tfjs-node is not installed');
    for (const spy of printed) expect(spy).not.toHaveBeenCalled();
  });

  it('refuses a preferred device that is not installed, with the package to install', async () => {
    const error = await createTfjsBackend({ prefer: 'tfjs-node-gpu' }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TunesmithError);
    expect(error).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      hint: expect.stringContaining('@tensorflow/tfjs-node-gpu'),
    });
  });

  it('restores the tfjs backend in use, even when the body throws', async () => {
    const cpu = tf.findBackend('cpu');
    tf.registerBackend('other', () => cpu);
    await tf.setBackend('other');
    const backend = await createTfjsBackend({ prefer: 'cpu' });
    expect(tf.getBackend()).toBe('other');
    const seen: string[] = [];
    const failing: Program = {
      name: 'failing',
      inputs: {},
      body: () => {
        seen.push(tf.getBackend());
        throw new Error('inside');
      },
    };
    const executable = await backend.compile(failing, backend.createStore());
    await expect(executable.run({})).rejects.toThrow('inside');
    expect(seen).toEqual(['cpu']);
    expect(tf.getBackend()).toBe('other');
    await tf.setBackend('cpu');
  });

  it('gives outputs of before the update, updates afterwards, and leaks nothing', async () => {
    const backend = await createTfjsBackend({ prefer: 'cpu' });
    const store = backend.createStore();
    store.set('count', scalar(1));
    const executable = await backend.compile(counter, store);
    await executable.run({ by: scalar(1) });
    const { numTensors, numDataBuffers } = tf.memory();
    const { before, sum } = await executable.run({ by: scalar(5) });
    expect(before?.data[0]).toBe(2);
    expect(sum?.data[0]).toBe(7);
    expect((await store.get('count')).data[0]).toBe(7);
    expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers });
    store.dispose();
    expect(tf.memory().numTensors).toBe(numTensors - 1);
  });

  it('replaces nothing when one update does not fit', async () => {
    const backend = await createTfjsBackend({ prefer: 'cpu' });
    const store = backend.createStore();
    store.set('a', scalar(1));
    store.set('b', scalar(1));
    const body: Program['body'] = () => ({ outputs: {}, updates: { a: tf.scalar(2), b: tf.zeros([2]) } });
    const executable = await backend.compile({ name: 'torn', inputs: {}, body }, store);
    await expect(executable.run({})).rejects.toThrow(/SHAPE_MISMATCH at program torn.*'b'/);
    expect((await store.get('a')).data[0]).toBe(1);
  });
});
