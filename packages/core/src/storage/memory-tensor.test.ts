import { expect, it } from 'vitest';
import { memoryTensor, readFloat32 } from './memory-tensor.js';

it('is encoded as its dtype and decoded again', async () => {
  const tensor = memoryTensor('w', [2, 1], Float32Array.of(1, 1 / 3), 'BF16');
  expect((await tensor.read()).byteLength).toBe(4);
  expect([...(await readFloat32(tensor))]).toEqual([1, 0.333984375]);
});

it('refuses values that do not fill the shape', () => {
  expect(() => memoryTensor('w', [2, 2], new Float32Array(3))).toThrow(
    'SHAPE_MISMATCH at w: the values do not fill the shape; expected 4 values for [2, 2], got 3.',
  );
});
