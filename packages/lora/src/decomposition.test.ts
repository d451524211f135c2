import { randomKey, randomNormal } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { leadingQ, leadingSingularVectors, type MatrixValues } from './decomposition.js';

/** U·diag(s)·Vᵀ for random orthonormal U and V. */
function matrixWith(singular: readonly number[], rows: number, columns: number): MatrixValues {
  const random = (name: string, size: number): Float64Array[] =>
    leadingQ(
      {
        rows: size,
        columns: singular.length,
        values: Float32Array.from({ length: size * singular.length }, (_, index) =>
          randomNormal(randomKey(1, name), index),
        ),
      },
      singular.length,
    );
  const [u, v] = [random('u', rows), random('v', columns)];
  const values = Float32Array.from({ length: rows * columns }, (_, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    return singular.reduce((sum, value, k) => sum + value * (u[k]?.[row] as number) * (v[k]?.[column] as number), 0);
  });
  return { values, rows, columns };
}

function gram(vectors: readonly Float64Array[]): number[][] {
  return vectors.map((a) => vectors.map((b) => a.reduce((sum, value, index) => sum + value * (b[index] as number), 0)));
}

/** ‖M − U·Uᵀ·M‖², what the vectors leave of the matrix. */
function left({ values, rows, columns }: MatrixValues, vectors: readonly Float64Array[]): number {
  let sum = 0;
  for (let column = 0; column < columns; column++) {
    const m = Float64Array.from({ length: rows }, (_, row) => values[row * columns + column] as number);
    for (const u of vectors) {
      const overlap = u.reduce((total, value, row) => total + value * (m[row] as number), 0);
      for (let row = 0; row < rows; row++) m[row] = (m[row] as number) - overlap * (u[row] as number);
    }
    sum += m.reduce((total, value) => total + value * value, 0);
  }
  return sum;
}

const key = randomKey(3, 'svd');
const falling = (count: number, factor: number): number[] =>
  Array.from({ length: count }, (_, index) => 4 * factor ** index);

describe.each([
  ['tall', 60, 24, falling(24, 0.9), 1e-7],
  ['wide', 24, 60, falling(24, 0.95), 1e-7],
  // Larger than the exact case: by iteration, on singular values that fall by 3 % each.
  ['large', 200, 160, falling(160, 0.97), 1e-5],
  ['large and wide', 160, 200, falling(160, 0.97), 1e-5],
] as const)('singular vectors of a %s matrix', (_, rows, columns, singular, tolerance) => {
  const matrix = matrixWith(singular, rows, columns);
  const rank = 4;

  it('are the leading ones', () => {
    const { vectors, values } = leadingSingularVectors(matrix, rank, key);
    values.forEach((value, index) => {
      expect(Math.abs(value / (singular[index] as number) - 1)).toBeLessThan(tolerance);
    });
    gram(vectors).forEach((row, a) => {
      row.forEach((value, b) => {
        expect(Math.abs(value - (a === b ? 1 : 0))).toBeLessThan(1e-10);
      });
    });
    // Eckart and Young: nothing of this rank leaves less.
    const least = singular.slice(rank).reduce((sum, value) => sum + value * value, 0);
    expect(Math.abs(left(matrix, vectors) / least - 1)).toBeLessThan(tolerance);
  });

  it('are the same for one seed', () => {
    expect(leadingSingularVectors(matrix, rank, key)).toEqual(leadingSingularVectors(matrix, rank, key));
  });
});

it('takes a matrix of lower rank', () => {
  const { vectors, values } = leadingSingularVectors(matrixWith([2, 1], 10, 8), 4, key);
  expect(values.map((value) => Math.round(value * 1e6) / 1e6)).toEqual([2, 1, 0, 0]);
  for (const vector of vectors) for (const value of vector) expect(Number.isFinite(value)).toBe(true);
});

it('gives the first columns of Q', () => {
  const matrix = matrixWith(falling(12, 0.8), 20, 12);
  const q = leadingQ(matrix, 3);
  gram(q).forEach((row, a) => {
    row.forEach((value, b) => {
      expect(Math.abs(value - (a === b ? 1 : 0))).toBeLessThan(1e-12);
    });
  });
  // The first three columns lie in their span, and no other.
  const columns = Array.from(
    { length: 12 },
    (_, column): MatrixValues => ({
      rows: 20,
      columns: 1,
      values: Float32Array.from({ length: 20 }, (_row, row) => matrix.values[row * 12 + column] as number),
    }),
  );
  expect(columns.map((column) => left(column, q) < 1e-10)).toEqual([...Array(3).fill(true), ...Array(9).fill(false)]);
});
