import '@tensorflow/tfjs-backend-cpu';
import { type Program, type ProgramIO, type ProgramResult, TunesmithError, tf } from '@tunesmith/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { opTable } from '../lower/op-table.js';
import { traceProgram } from './trace-program.js';

const vector = { shape: [3], dtype: 'float32' } as const;

function program(body: (io: ProgramIO) => ProgramResult): Program {
  return { name: 'sample', inputs: { x: vector }, body };
}

function trace(body: (io: ProgramIO) => ProgramResult) {
  return traceProgram(program(body), new Map([['w', vector]]), opTable);
}

function errorOf(work: () => unknown): TunesmithError {
  try {
    work();
  } catch (error) {
    if (TunesmithError.isInstance(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('traceProgram', () => {
  beforeEach(() => tf.setBackend('cpu'));

  it('keeps the calls that results depend on, and no tensor', () => {
    const before = tf.memory();
    const traced = trace((io) => {
      const x = io.input('x');
      tf.exp(x);
      return { outputs: { y: tf.mul(tf.add(x, 1), 2) } };
    });
    expect(traced.nodes.map(({ kernel }) => kernel)).toEqual(['Add', 'Multiply']);
    expect(tf.memory()).toEqual(before);
  });

  it('sees an alias, a neutral element and a uniform constant as no work', () => {
    const traced = trace((io) => {
      const x = io.input('x');
      return { outputs: { y: tf.mul(tf.reshape(tf.cast(tf.add(x, tf.zeros([3])), 'float32'), [3]), tf.ones([3])) } };
    });
    expect(traced.nodes).toEqual([]);
    expect(traced.outputs.y?.origin).toEqual({ kind: 'input', name: 'x' });
  });

  it('makes equal calls once, tells attributes apart that JSON does not, and drops reshapes of reshapes', () => {
    const traced = trace((io) => {
      const x = io.input('x');
      const column = tf.reshape(tf.reshape(x, [1, 3]), [3, 1]);
      const clipped = [Number.POSITIVE_INFINITY, Number.NaN].map((limit) =>
        tf.engine().runKernel('ClipByValue', { x }, { clipValueMin: 0, clipValueMax: limit }),
      );
      return {
        outputs: { a: tf.exp(x), b: tf.exp(x), column, c: clipped[0] as tf.Tensor, d: clipped[1] as tf.Tensor },
      };
    });
    expect(traced.nodes.map(({ kernel }) => kernel).sort()).toEqual(['ClipByValue', 'ClipByValue', 'Exp', 'Reshape']);
    expect(traced.outputs.a).toBe(traced.outputs.b);
  });

  it('restores the backend and leaks nothing when the body throws, in a gradient too', () => {
    const before = tf.memory();
    const failure = new Error('in the body');
    const fail = () => {
      throw failure;
    };
    expect(() => trace(fail)).toThrow(failure);
    const inGradient = (io: ProgramIO): ProgramResult => {
      const loss = (x: tf.Tensor) => {
        tf.sum(tf.square(tf.exp(x)));
        return fail();
      };
      return { outputs: { dx: tf.grad(loss)(io.input('x')) } };
    };
    expect(() => trace(inGradient)).toThrow(failure);
    expect(tf.getBackend()).toBe('cpu');
    expect(tf.memory()).toEqual(before);
    expect([...tf.add([1], [2]).dataSync()]).toEqual([3]);
  });

  it('traces a program while another is traced', () => {
    const traced = trace((io) => {
      const x = tf.exp(io.input('x'));
      const inner = trace((innerIo) => ({ outputs: { y: tf.sin(innerIo.input('x')) } }));
      expect(inner.nodes.map(({ kernel }) => kernel)).toEqual(['Sin']);
      return { outputs: { y: tf.neg(x) } };
    });
    expect(traced.nodes.map(({ kernel }) => kernel)).toEqual(['Exp', 'Neg']);
    expect(tf.getBackend()).toBe('cpu');
  });

  it('names the kernel, its operands and the line that called an op without lowering', () => {
    const error = errorOf(() => trace((io) => ({ outputs: { y: tf.cumprod(io.input('x')) } })));
    expect(error.code).toBe('OP_UNSUPPORTED');
    expect(error.message).toContain('Cumprod');
    expect(error.got).toBe('float32[3]');
    expect(error.where).toMatch(/trace-program\.test\.ts:\d+:\d+/);
  });

  it('refuses to read values, and tensors from elsewhere', () => {
    expect(
      errorOf(() => trace((io) => ({ outputs: { y: tf.scalar(io.input('x').dataSync()[0] ?? 0) } }))).message,
    ).toContain('may not read values');
    const outside = tf.tensor1d([1, 2, 3]);
    expect(errorOf(() => trace((io) => ({ outputs: { y: tf.add(io.input('x'), outside) } }))).message).toContain(
      'made outside its body',
    );
    outside.dispose();
  });

  it('suggests names, and checks what an update is', () => {
    expect(errorOf(() => trace((io) => ({ outputs: { y: io.input('z') } }))).code).toBe('NAME_UNKNOWN');
    expect(errorOf(() => trace((io) => ({ outputs: { y: io.read('ww') } }))).hint).toContain('w');
    const grown = errorOf(() => trace((io) => ({ outputs: {}, updates: { w: tf.tile(io.read('w'), [2]) } })));
    expect([grown.code, grown.expected, grown.got]).toEqual(['SHAPE_MISMATCH', 'float32[3]', 'float32[6]']);
    expect(errorOf(() => trace((io) => ({ outputs: {}, updates: { v: io.read('w') } }))).code).toBe('NAME_UNKNOWN');
  });

  it('gives one mask to each site, and refuses two different ones', () => {
    const mask = (io: ProgramIO, rate: number) => tf.cast(io.keepMask('layer.0', [3], rate), 'float32');
    const shared = trace((io) => ({ outputs: { y: tf.add(mask(io, 0.5), mask(io, 0.5)) } }));
    expect(
      new Set(shared.nodes.filter(({ kernel }) => kernel === 'Cast').map(({ inputs }) => inputs[0]?.id)).size,
    ).toBe(1);
    const error = errorOf(() => trace((io) => ({ outputs: { y: tf.add(mask(io, 0.5), mask(io, 0.1)) } })));
    expect([error.code, error.where]).toEqual(['SHAPE_MISMATCH', 'layer.0']);
  });
});
