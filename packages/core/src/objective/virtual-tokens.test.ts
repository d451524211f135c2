import { describe, expect, it } from 'vitest';
import { sft } from './sft.js';
import { addVirtualTokens, collateRows } from './virtual-tokens.js';

const model = { virtualTokens: Int32Array.of(50, 51) };
const options = { rows: 2, maxLength: 6, padToken: 0 };
const plain = { tokens: Int32Array.of(7, 8, 9), weights: Float32Array.of(0, 0.5, 1) };
const packed = {
  tokens: Int32Array.of(1, 2, 3, 4, 5),
  weights: Float32Array.of(0, 1, 0, 1, 1),
  positions: Int32Array.of(0, 1, 0, 1, 2),
  segments: Int32Array.of(1, 1, 2, 2, 2),
};

describe('virtual tokens', () => {
  it('come before a row and weigh nothing', () => {
    expect(addVirtualTokens(model, plain)).toEqual({
      tokens: Int32Array.of(50, 51, 7, 8, 9),
      weights: Float32Array.of(0, 0, 0, 0.5, 1),
    });
  });
  it('come before each packed text, of its segment and at its first positions', () => {
    expect(addVirtualTokens(model, packed)).toEqual({
      tokens: Int32Array.of(50, 51, 1, 2, 50, 51, 3, 4, 5),
      weights: Float32Array.of(0, 0, 0, 1, 0, 0, 0, 1, 1),
      positions: Int32Array.of(0, 1, 2, 3, 0, 1, 2, 3, 4),
      segments: Int32Array.of(1, 1, 1, 1, 2, 2, 2, 2, 2),
    });
  });
  it('leave rows alone where there are none', () => {
    expect(addVirtualTokens({ virtualTokens: new Int32Array() }, packed)).toBe(packed);
  });
  it('move the targets, and count neither as text nor against its longest row', () => {
    const longest = { tokens: new Int32Array(6), weights: new Float32Array(6).fill(1, 1) };
    const { columns, tokens, normalizers } = collateRows(model, sft, [plain, longest], options);
    expect(columns.ids?.shape).toEqual([2, 8]);
    expect(tokens).toBe(9);
    expect(normalizers).toEqual({ weight: 6.5 });
    expect([...(columns.targetPositions?.data ?? [])].slice(0, 7)).toEqual([2, 3, 10, 11, 12, 13, 14]);
    const tooLong = { tokens: new Int32Array(7), weights: new Float32Array(7) };
    expect(() => collateRows(model, sft, [tooLong], options)).toThrow('longer');
  });
  it('give packed rows of more and fewer texts one shape', () => {
    const shapes = [[packed], [packed, plain], [plain, packed]].map(
      (rows) => collateRows(model, sft, rows, options).columns.ids?.shape,
    );
    expect(shapes).toEqual([
      [2, 16],
      [2, 16],
      [2, 16],
    ]);
  });
});
