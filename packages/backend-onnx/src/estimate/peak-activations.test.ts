import '@tensorflow/tfjs-backend-cpu';
import {
  checkpoint,
  holdBack,
  linear4Bit,
  linearInt8,
  type ProgramIO,
  type Tensor,
  type TensorSpec,
  tf,
} from '@tunesmith/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { opTable } from '../lower/op-table.js';
import { traceProgram } from '../trace/trace-program.js';
import { peakActivations } from './peak-activations.js';

const square = { shape: [64, 64], dtype: 'float32' } as const;
const stored = new Map<string, TensorSpec>([
  ['w', square],
  ['narrow', { shape: [16, 64], dtype: 'float32' } as const],
  ['wide', { shape: [64, 256], dtype: 'float32' } as const],
  ['codes', { shape: [(64 * 64) / 2], dtype: 'int32' } as const],
  ['absmax', { shape: [64], dtype: 'float32' } as const],
]);
const bytes = 4 * 64 * 64;

/** Matrices of 64 × 64 that a program's intermediate values take, which returns the sums of some of them in turn. */
function squares(body: (x: Tensor, io: ProgramIO) => Tensor | readonly Tensor[]): number {
  const program = {
    name: 'sample',
    inputs: { x: square },
    body: (io: ProgramIO) => ({
      outputs: Object.fromEntries([body(io.input('x'), io)].flat().map((value, index) => [index, tf.sum(value)])),
    }),
  };
  return Math.round(peakActivations(traceProgram(program, stored, opTable)) / bytes);
}

describe('peakActivations', () => {
  beforeEach(() => tf.setBackend('cpu'));

  it('computes in place of an operand that nobody reads later', () => {
    expect(squares((x) => tf.exp(tf.tanh(tf.exp(x))))).toBe(1);
    expect(
      squares((x) => {
        const kept = tf.exp(x);
        return tf.add(tf.tanh(kept), kept);
      }),
    ).toBe(2);
  });

  it('gives what a product no longer needs to the next value of its shape', () => {
    expect(squares((x) => tf.matMul(x, tf.matMul(x, tf.matMul(x, x))))).toBe(2);
  });

  it('overwrites a value once its other readers have run, whichever was traced first', () => {
    expect(
      squares((x) => {
        const logits = tf.matMul(x, x);
        const probabilities = tf.softmax(logits);
        return tf.sub(tf.max(logits, -1), tf.max(probabilities, -1));
      }),
    ).toBe(1);
  });

  it('counts no reshape', () => {
    expect(squares((x) => tf.reshape(tf.exp(x), [32, 128]))).toBe(1);
  });

  it('holds a buffer from its first value to its last, even while it lies idle', () => {
    // The inner product's buffer is free now.
    const next = (x: Tensor) => tf.matMul(x, tf.matMul(x, x));
    // As large as that and of another shape, [16, 256]: the plan does not give it the buffer.
    const other = (io: ProgramIO) => tf.matMul(io.read('narrow'), io.read('wide'));
    expect(
      squares((x, io) => {
        const early = next(x);
        return [early, other(io), tf.tanh(early)];
      }),
    ).toBe(2);
    expect(
      squares((x, io) => {
        const early = next(x);
        return [early, other(io), tf.matMul(x, early)];
      }),
    ).toBe(3);
  });

  it('gives a value behind a barrier a buffer of its own', () => {
    expect(squares((x) => tf.exp(holdBack(tf.exp(x), x)))).toBe(2);
    expect(squares((x) => tf.exp(tf.exp(x)))).toBe(1);
  });

  it('keeps of a recomputed block only its input, whichever gradient is asked for first', () => {
    const blocks = (count: number): number =>
      squares((x, io) => {
        const weights = Array.from({ length: count }, () => tf.clone(io.read('w')));
        const block = ([stream, weight]: readonly Tensor[]): Tensor[] => {
          const inside = tf.tanh(tf.matMul(stream as Tensor, weight as Tensor));
          return [tf.matMul(tf.square(inside), weight as Tensor)];
        };
        const through = (...all: Tensor[]): Tensor =>
          tf.sum(all.reduce((stream, weight) => checkpoint(block, [stream, weight])[0] as Tensor, x));
        return tf.grads(through)(weights);
      });
    expect(blocks(8) - blocks(4)).toBe(4);
  });

  it('counts what a kernel unpacks while it runs, and no longer', () => {
    const layout = { type: 'nf4', blockSize: 64, rows: 64, columns: 64 } as const;
    const product = (x: Tensor, io: ProgramIO) => linear4Bit(x, [io.read('codes'), io.read('absmax')], layout);
    expect(squares(product)).toBe(2);
    expect(squares((x, io) => product(product(x, io), io))).toBe(3);
    expect(squares((x, io) => product(tf.matMul(product(x, io), x), io))).toBe(3);
  });

  it('counts what products of bytes take to round what they multiply', () => {
    const layout = { rows: 64, columns: 64, outlierThreshold: 6, integerGradient: true };
    const product = (x: Tensor, io: ProgramIO) =>
      linearInt8(x, [tf.cast(io.read('w'), 'int32'), io.read('absmax')], layout);
    // Magnitudes, those that are not outliers, and which are: 9 bytes a value, where a value has 4.
    expect(squares(product)).toBe(4);
    const gradient = tf.grad((x: Tensor) => tf.sum(tf.square(x)));
    expect(squares((x, io) => gradient(product(x, io)))).toBeGreaterThan(3);
  });

  it('holds the float32 values of what is stored 16 bits wide while they are read', () => {
    const program = {
      name: 'sample',
      inputs: { x: square },
      body: (io: ProgramIO) => ({ outputs: { y: tf.sum(tf.matMul(io.input('x'), io.read('w'))) } }),
    };
    const traced = traceProgram(program, stored, opTable);
    const [whole, half] = [() => false, ({ origin }: { origin: { kind: string } }) => origin.kind === 'stored'].map(
      (isHalf) => Math.round(peakActivations(traced, isHalf) / bytes),
    );
    expect([whole, half]).toEqual([1, 2]);
    // Read by the first product and the last, with as much between.
    const twice = (io: ProgramIO) => {
      const [x, w] = [io.input('x'), io.read('w')];
      const between = tf.matMul(tf.tanh(tf.matMul(x, w)), x);
      return { outputs: { y: tf.sum(tf.matMul(between, w)) } };
    };
    const again = traceProgram({ ...program, body: twice }, stored, opTable);
    expect(Math.round(peakActivations(again, ({ origin }) => origin.kind === 'stored') / bytes)).toBe(3);
  });
});
