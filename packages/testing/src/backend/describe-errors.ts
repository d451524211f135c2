import { type Backend, type HostTensor, type Named, type Program, tf } from '@tunesmith/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { floats } from './host-tensors.js';

const double: Program = {
  name: 'double',
  inputs: { x: { shape: [2], dtype: 'float32' } },
  body: (io) => ({ outputs: { y: tf.mul(io.input('x'), 2) } }),
};

/** Mistakes must be told with a stable code, at compilation or at the first run. */
export function describeErrors(createBackend: () => Promise<Backend>): void {
  describe('errors', () => {
    let backend: Backend;
    beforeEach(async () => {
      backend = await createBackend();
    });

    async function run(program: Program, inputs: Named<HostTensor>, stored: Named<HostTensor> = {}): Promise<unknown> {
      const store = backend.createStore();
      for (const [name, tensor] of Object.entries(stored)) store.set(name, tensor);
      try {
        const executable = await backend.compile(program, store);
        return await executable.run(inputs).finally(() => executable.dispose());
      } finally {
        store.dispose();
      }
    }

    it.each<[string, Named<HostTensor>, string]>([
      ['an unknown input', { x: floats([2], 1, 2), z: floats([2], 1, 2) }, 'NAME_UNKNOWN'],
      ['a missing input', {}, 'NAME_UNKNOWN'],
      ['an input of another shape', { x: floats([1, 2], 1, 2) }, 'SHAPE_MISMATCH'],
      ['an input of another type', { x: { dtype: 'int32', shape: [2], data: new Int32Array(2) } }, 'SHAPE_MISMATCH'],
      ['an input with too few elements', { x: floats([2], 1) }, 'SHAPE_MISMATCH'],
    ])('names %s', async (_, inputs, code) => {
      await expect(run(double, inputs)).rejects.toMatchObject({ code, where: expect.stringContaining('double') });
    });

    it('names an op that it lacks', async () => {
      const body: Program['body'] = (io) => ({
        outputs: { y: tf.engine().runKernel('NoSuchOp', { x: io.input('x') }) as never },
      });
      await expect(run({ ...double, body }, { x: floats([2], 1, 2) })).rejects.toMatchObject({
        code: 'OP_UNSUPPORTED',
        message: expect.stringContaining('NoSuchOp'),
      });
    });

    it('names a stored tensor that is not there, and one like it', async () => {
      const body: Program['body'] = (io) => ({ outputs: { y: tf.mul(io.read('weigth'), 2) } });
      await expect(run({ name: 'reads', inputs: {}, body }, {}, { weight: floats([1], 1) })).rejects.toMatchObject({
        code: 'NAME_UNKNOWN',
        message: expect.stringMatching(/weigth.*weight/),
      });
    });

    it('names an input that the body reads without declaring it', async () => {
      const body: Program['body'] = (io) => ({ outputs: { y: io.input('undeclared') } });
      await expect(run({ name: 'reads', inputs: {}, body }, {})).rejects.toMatchObject({
        code: 'NAME_UNKNOWN',
        message: expect.stringContaining('undeclared'),
      });
    });

    it.each<[string, Program['body'], string]>([
      ['of another shape', () => ({ outputs: {}, updates: { w: tf.zeros([3]) } }), 'SHAPE_MISMATCH'],
      ['of another type', () => ({ outputs: {}, updates: { w: tf.zeros([2], 'int32') } }), 'SHAPE_MISMATCH'],
      ['of what is not stored', () => ({ outputs: {}, updates: { v: tf.zeros([2]) } }), 'NAME_UNKNOWN'],
    ])('names an update %s', async (_, body, code) => {
      await expect(run({ name: 'updates', inputs: {}, body }, {}, { w: floats([2], 1, 2) })).rejects.toMatchObject({
        code,
      });
    });

    it('passes on what the body throws', async () => {
      const body: Program['body'] = () => {
        throw new RangeError('the body itself');
      };
      await expect(run({ ...double, body }, { x: floats([2], 1, 2) })).rejects.toThrow('the body itself');
    });
  });
}
