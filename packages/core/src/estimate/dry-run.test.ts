import { describe, expect, it } from 'vitest';
import type { Backend } from '../program/backend.js';
import type { Program } from '../program/program.js';
import { createDryRun, totalBytes } from './dry-run.js';

/** A backend that takes a program's name for the bytes of its activations. */
const backend: Backend = {
  name: 'fake',
  createStore: () => {
    throw new Error('no value is stored');
  },
  compile: () => Promise.reject(new Error('nothing is compiled')),
  estimate: ({ name }, stored) => ({
    nodes: 1,
    activationBytes: Number(name),
    updateBytes: 0,
    fedBytes: stored.size,
    matmulFlops: 10,
    outputs: { loss: { shape: [], dtype: 'float32' }, choice: { shape: [2], dtype: 'int32' } },
  }),
};

const program = (bytes: number): Program => ({ name: String(bytes), inputs: {}, body: () => ({ outputs: {} }) });

describe('createDryRun', () => {
  it('counts what is compiled at a time, at its most', async () => {
    const dry = createDryRun(backend, 0);
    const store = dry.backend.createStore();
    const first = await dry.backend.compile(program(100), store);
    await first.dispose();
    const second = await dry.backend.compile(program(300), store);
    await dry.backend.compile(program(50), store);
    await second.dispose();
    await dry.backend.compile(program(200), store);
    expect(dry.peak()).toMatchObject({ activationBytes: 350, programs: 2, nodes: 2 });
    expect(dry.now()).toMatchObject({ activationBytes: 250, programs: 2 });
  });

  it('weighs nodes where they decide', async () => {
    const dry = createDryRun(backend, 1000);
    const store = dry.backend.createStore();
    const large = await dry.backend.compile(program(1500), store);
    await large.dispose();
    for (const bytes of [1, 2]) await dry.backend.compile(program(bytes), store);
    expect(dry.peak()).toMatchObject({ activationBytes: 1500 });
    await dry.backend.compile(program(3), store);
    expect(dry.peak()).toMatchObject({ activationBytes: 6, nodes: 3 });
  });

  it('counts stored tensors by what they are for and how they are stored', () => {
    const dry = createDryRun(backend, 0);
    const store = dry.backend.createStore();
    store.declare('base/a', { shape: [10], dtype: 'float16' });
    store.declare('base/b', { shape: [10], dtype: 'bfloat16' });
    store.declare('base/codes', { shape: [5], dtype: 'uint8' });
    store.set('optimizer/first/a', { shape: [3], dtype: 'float32', data: new Float32Array(3) });
    store.set('gradient/a', { shape: [2], dtype: 'int32', data: new Int32Array(2) });
    expect(dry.now()).toMatchObject({ weightBytes: 20 + 20 + 5, optimizerBytes: 12, gradientBytes: 8 });
    expect(totalBytes(dry.now())).toBe(65);
    store.delete('base/b');
    expect(dry.now().weightBytes).toBe(25);
  });

  it('returns numbers of the right shape and type, counts their work, and gives back stored types', async () => {
    const dry = createDryRun(backend, 0);
    const store = dry.backend.createStore();
    const executable = await dry.backend.compile(program(1), store);
    const { loss, choice } = await executable.run({});
    expect(loss?.data[0]).toBeGreaterThan(0);
    expect(choice).toEqual({ shape: [2], dtype: 'int32', data: new Int32Array(2) });
    await executable.run({});
    expect(dry.flops()).toBe(20);
    store.declare('base/index', { shape: [3], dtype: 'int32' });
    expect(await store.get('base/index')).toEqual({ shape: [3], dtype: 'int32', data: new Int32Array(3) });
  });

  it('traces a program anew only where what is stored has changed', async () => {
    let traced = 0;
    const estimate: Backend['estimate'] = (...given) => {
      traced++;
      return (backend.estimate as NonNullable<Backend['estimate']>)(...given);
    };
    const dry = createDryRun({ ...backend, estimate }, 0);
    const store = dry.backend.createStore();
    store.declare('base/a', { shape: [10], dtype: 'float32' });
    for (let time = 0; time < 2; time++) await dry.backend.compile(program(7), store);
    store.set('base/a', { shape: [10], dtype: 'float32', data: new Float32Array(10) });
    await dry.backend.compile(program(7), store);
    expect(traced).toBe(1);
    expect(dry.now()).toMatchObject({ activationBytes: 21, programs: 3 });
    store.delete('base/a');
    await dry.backend.compile(program(7), store);
    expect(traced).toBe(2);
  });

  it('refuses a backend that cannot tell', () => {
    const { estimate: _, ...blind } = backend;
    expect(() => createDryRun(blind, 0)).toThrow(/CAPABILITY_MISSING.*fake cannot estimate/);
  });
});
