import '@tensorflow/tfjs-backend-cpu';
import { type HostTensor, type Program, tf } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { writeModel } from '../emit/write-model.js';
import { lowerProgram } from '../lower/lower-program.js';
import { opTable } from '../lower/op-table.js';
import { traceProgram } from '../trace/trace-program.js';
import { sessionOptions, weightOptions } from './device.js';
import { OnnxExecutable } from './onnx-executable.js';
import { loadOnnxRuntime } from './onnx-runtime.js';
import { OnnxStore, type StoredValue } from './onnx-store.js';
import { holdWeights, ResidentSession } from './resident-session.js';

/** Reads `frozen`, and updates `trained` by it. */
const step: Program = {
  name: 'step',
  inputs: { x: { shape: [2], dtype: 'float32' } },
  body: (io) => ({
    outputs: { y: tf.sum(tf.mul(tf.mul(io.read('frozen'), io.read('half')), io.input('x'))) },
    updates: { trained: tf.add(io.read('trained'), io.read('frozen')) },
  }),
};

const floats = (...values: number[]): HostTensor => ({
  dtype: 'float32',
  shape: [values.length],
  data: Float32Array.from(values),
});

/** Compiles as for a device that keeps weights, to run on the CPU, and counts how often the session was opened. */
async function compileHeld(program: Program, store: OnnxStore) {
  const runtime = await loadOnnxRuntime();
  const traced = traceProgram(program, store.specs(), opTable);
  const whole = lowerProgram(traced, opTable, (name) => store.value(name));
  const { lowered, weights } = holdWeights(whole, 1);
  const opened: string[][] = [];
  const open = (held: ReadonlyMap<string, StoredValue>) => {
    opened.push([...held.keys()]);
    const options = { ...sessionOptions({ device: 'cpu', threads: 1 }, lowered, store), ...weightOptions(held) };
    return runtime.InferenceSession.create(writeModel(lowered.model), options);
  };
  const session = new ResidentSession(open, weights, store);
  const executable = new OnnxExecutable({ runtime, session, weights, program, lowered, store, info: {} });
  const run = async (): Promise<number> => {
    const { y } = await executable.run({ x: floats(1, 10) });
    return y?.data[0] as number;
  };
  return { executable, opened, run };
}

describe('a session that keeps weights', () => {
  const stored = () => {
    const store = new OnnxStore();
    // A view into a larger buffer, as a file's tensors are.
    store.set('frozen', { dtype: 'float32', shape: [2], data: Float32Array.of(9, 1, 2, 9).subarray(1, 3) });
    store.set('half', { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0x4000) });
    store.set('trained', floats(0, 0));
    return store;
  };

  it('holds what the program only reads, and is fed what it updates', async () => {
    const store = stored();
    const { executable, opened, run } = await compileHeld(step, store);
    expect(await run()).toBe(1 * 1 * 1 + 2 * 2 * 10);
    expect(await run()).toBe(41);
    expect([...(await store.get('trained')).data]).toEqual([2, 4]);
    expect(opened).toEqual([['stored.frozen', 'stored.half']]);
    await executable.dispose();
    store.dispose();
  });

  it('is opened again when a weight was set, and when another program has updated it', async () => {
    const store = stored();
    const { executable, opened, run } = await compileHeld(step, store);
    expect(await run()).toBe(41);
    store.set('frozen', floats(3, 1));
    expect(await run()).toBe(3 + 1 * 2 * 10);
    const thaw: Program = {
      name: 'thaw',
      inputs: {},
      body: (io) => ({ outputs: {}, updates: { frozen: tf.mul(io.read('frozen'), 2) } }),
    };
    const other = await compileHeld(thaw, store);
    await other.executable.run({});
    expect(await run()).toBe(46);
    expect(opened.length).toBe(3);
    await other.executable.dispose();
    await executable.dispose();
    store.dispose();
  });

  it('is opened again when a weight was written over in place', async () => {
    const store = new OnnxStore();
    const size = 2 ** 15;
    store.set('w', { dtype: 'float32', shape: [size], data: new Float32Array(size).fill(1) });
    const read = { name: 'read', inputs: {}, body: (io) => ({ outputs: { y: tf.sum(io.read('w')) } }) } as Program;
    const write = {
      name: 'write',
      inputs: {},
      body: (io) => ({ outputs: {}, updates: { w: tf.mul(io.read('w'), 2) } }),
    } as Program;
    const [reader, writer] = [await compileHeld(read, store), await compileHeld(write, store)];
    const before = store.value('w').held;
    expect((await reader.executable.run({})).y?.data[0]).toBe(size);
    await writer.executable.run({});
    expect(store.value('w').held).toBe(before);
    expect((await reader.executable.run({})).y?.data[0]).toBe(2 * size);
    await reader.executable.dispose();
    await writer.executable.dispose();
    store.dispose();
  });

  it('refuses a weight that has become another tensor', async () => {
    const store = stored();
    const { executable, run } = await compileHeld(step, store);
    await run();
    store.delete('frozen');
    store.set('frozen', floats(1, 2, 3));
    await expect(run()).rejects.toMatchObject({ code: 'SHAPE_MISMATCH', where: 'program step, stored frozen' });
    await executable.dispose();
    store.dispose();
  });
});
