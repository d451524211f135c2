/**
 * The leading part of a matrix's singular value or QR decomposition, on the host in double precision. Vectors are columns
 * of U or Q, each an array; matrices are row-major.
 */
import { type RandomKey, randomNormal } from '@tunesmith/core';

export interface MatrixValues {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

type Vector = Float64Array;

function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] as number) * (b[index] as number);
  return sum;
}

/**
 * The vectors made orthonormal one after another: classical Gram–Schmidt, twice for accuracy (Giraud et al. 2005). One that depends
 * on those before it becomes zero.
 */
function orthonormalise(vectors: readonly Vector[]): Vector[] {
  const basis: Vector[] = [];
  for (const vector of vectors) {
    const left = Float64Array.from(vector);
    const norm = Math.sqrt(dot(left, left));
    for (let pass = 0; pass < 2; pass++) takeAway(left, basis, dots(left, basis));
    const length = Math.sqrt(dot(left, left));
    basis.push(left.map((value) => (length > 1e-12 * norm ? value / length : 0)));
  }
  return basis;
}

/** x − Σ factorₖ·vₖ in place, four at a time, so that x is read and written a quarter as often. */
function takeAway(x: Vector, vectors: readonly Vector[], factors: Vector): void {
  const { length } = x;
  const none = new Float64Array(length);
  for (let index = 0; index < vectors.length; index += 4) {
    const [a = none, b = none, c = none, d = none] = vectors.slice(index, index + 4);
    const [first = 0, second = 0, third = 0, fourth = 0] = factors.subarray(index, index + 4);
    for (let place = 0; place < length; place++) {
      x[place] =
        (x[place] as number) -
        (first * (a[place] as number) +
          second * (b[place] as number) +
          third * (c[place] as number) +
          fourth * (d[place] as number));
    }
  }
}

/** Mᵀ·u for each of the vectors, row by row of M, so that it is read once for all of them. */
export function multiplyTransposed({ values, rows, columns }: MatrixValues, vectors: readonly Vector[]): Vector[] {
  const products = vectors.map(() => new Float64Array(columns));
  for (let row = 0; row < rows; row++) {
    const elements = values.subarray(row * columns, (row + 1) * columns);
    for (const [index, product] of products.entries()) {
      const factor = (vectors[index] as Vector)[row] as number;
      for (let column = 0; column < columns; column++) {
        product[column] = (product[column] as number) + factor * (elements[column] as number);
      }
    }
  }
  return products;
}

/** M·v for each of the vectors, M given by its rows. */
function multiply(rows: readonly Vector[], vectors: readonly Vector[]): Vector[] {
  const products = vectors.map(() => new Float64Array(rows.length));
  for (const [row, elements] of rows.entries()) {
    for (const [index, value] of dots(elements, vectors).entries()) (products[index] as Vector)[row] = value;
  }
  return products;
}

/** The products of one vector with each of several, four at a time, so that it is read a quarter as often. */
function dots(one: Vector, others: readonly Vector[]): Vector {
  const { length } = one;
  const products = new Float64Array(others.length);
  let index = 0;
  for (; index + 4 <= others.length; index += 4) {
    const [a, b, c, d] = others.slice(index, index + 4) as [Vector, Vector, Vector, Vector];
    let [first, second, third, fourth] = [0, 0, 0, 0];
    for (let place = 0; place < length; place++) {
      const value = one[place] as number;
      first += value * (a[place] as number);
      second += value * (b[place] as number);
      third += value * (c[place] as number);
      fourth += value * (d[place] as number);
    }
    products.set([first, second, third, fourth], index);
  }
  for (; index < others.length; index++) products[index] = dot(one, others[index] as Vector);
  return products;
}

/** The rows of M·Mᵀ, M given by its own. */
function gram(rows: readonly Vector[]): Vector[] {
  const products = rows.map(() => new Float64Array(rows.length));
  for (const [row, elements] of rows.entries()) {
    for (const [other, value] of dots(elements, rows.slice(0, row + 1)).entries()) {
      (products[row] as Vector)[other] = value;
      (products[other] as Vector)[row] = value;
    }
  }
  return products;
}

function rowsOf({ values, rows, columns }: MatrixValues): Vector[] {
  return Array.from({ length: rows }, (_, row) =>
    Float64Array.from(values.subarray(row * columns, (row + 1) * columns)),
  );
}

function columnsOf({ values, rows, columns }: MatrixValues, count: number = columns): Vector[] {
  return Array.from({ length: count }, (_, column) =>
    Float64Array.from({ length: rows }, (_row, row) => values[row * columns + column] as number),
  );
}

/** The first columns of Q in M = Q·R. */
export function leadingQ(matrix: MatrixValues, rank: number): Vector[] {
  return orthonormalise(columnsOf(matrix, rank));
}

/** A subspace this wide is the whole space of a matrix that is no larger, which is then decomposed exactly. */
const leastWidth = 128;
/** Power iterations on a subspace of twice the rank and 8 more vectors: enough where the singular values fall at all. */
const iterations = 16;

/**
 * The leading left singular vectors and values, by randomised subspace iteration (Halko, Martinsson and Tropp 2011,
 * algorithms 4.4 and 5.1), seeded. It iterates on M·Mᵀ, or Mᵀ·M where M is tall, which is made once: a pass is one product with a
 * square of the shorter side, in place of two with M.
 */
export function leadingSingularVectors(
  matrix: MatrixValues,
  rank: number,
  key: RandomKey,
): { vectors: Vector[]; values: number[] } {
  const most = Math.min(matrix.rows, matrix.columns);
  const width = most <= leastWidth ? most : Math.min(most, 2 * rank + 8);
  const random = Array.from({ length: width }, (_, vector) =>
    Float64Array.from({ length: matrix.columns }, (_row, index) => randomNormal(key, vector * matrix.columns + index)),
  );
  const rows = rowsOf(matrix);
  const basis = width === most ? orthonormalise(multiply(rows, random)) : iterated(matrix, rows, random);
  return singularVectorsWithin(basis, multiplyTransposed(matrix, basis), rank);
}

/** An orthonormal basis near the leading left singular vectors, begun with vectors of the row space. */
function iterated(matrix: MatrixValues, rows: readonly Vector[], random: readonly Vector[]): Vector[] {
  const isWide = matrix.rows <= matrix.columns;
  const product = gram(isWide ? rows : columnsOf(matrix));
  let basis = orthonormalise(isWide ? multiply(rows, random) : random);
  for (let pass = 0; pass < iterations; pass++) basis = orthonormalise(multiply(product, basis));
  return isWide ? basis : orthonormalise(multiply(rows, basis));
}

/**
 * The leading left singular vectors and values of a matrix M within an orthonormal basis Q, from QᵀM: (QᵀM)(QᵀM)ᵀ has the
 * squares of the values. Exact where the basis spans M's columns.
 */
export function singularVectorsWithin(
  basis: readonly Vector[],
  projected: readonly Vector[],
  rank: number,
): { vectors: Vector[]; values: number[] } {
  const rows = basis[0]?.length ?? 0;
  const { vectors, values } = symmetricEigen(
    projected.map((left) => Float64Array.from(projected, (right) => dot(left, right))),
  );
  const order = values.map((_, index) => index).sort((a, b) => (values[b] as number) - (values[a] as number));
  const leading = order.slice(0, rank);
  return {
    values: leading.map((index) => Math.sqrt(Math.max(0, values[index] as number))),
    vectors: leading.map((index) => {
      const combined = new Float64Array(rows);
      basis.forEach((column, position) => {
        const weight = (vectors[position] as Vector)[index] as number;
        for (let row = 0; row < combined.length; row++)
          combined[row] = (combined[row] as number) + weight * (column[row] as number);
      });
      return pointed(combined);
    }),
  };
}

/** The vector or its opposite, which is as good: the one whose largest element is positive, whatever the seed. */
function pointed(vector: Vector): Vector {
  const largest = vector.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
  return largest < 0 ? vector.map((value) => -value) : vector;
}

/**
 * Eigenvalues and vectors (columns) of a symmetric matrix given by rows, which is overwritten: cyclic Jacobi rotations
 * (Golub and Van Loan 2013, §8.5).
 */
function symmetricEigen(matrix: Vector[]): { vectors: Vector[]; values: number[] } {
  const size = matrix.length;
  const vectors = matrix.map((_, row) =>
    Float64Array.from({ length: size }, (_column, column) => (row === column ? 1 : 0)),
  );
  const at = (row: number, column: number): number => (matrix[row] as Vector)[column] as number;
  const total = Math.sqrt(matrix.reduce((sum, row) => sum + dot(row, row), 0));
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < size; p++) for (let q = p + 1; q < size; q++) off += at(p, q) ** 2;
    if (Math.sqrt(off) <= 1e-14 * total) break;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        if (Math.abs(at(p, q)) <= 1e-300) continue;
        const tau = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const tangent = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.sqrt(1 + tau * tau));
        const cosine = 1 / Math.sqrt(1 + tangent * tangent);
        const sine = tangent * cosine;
        for (const row of matrix) rotate(row, p, q, cosine, sine);
        rotateRows(matrix[p] as Vector, matrix[q] as Vector, cosine, sine);
        for (const row of vectors) rotate(row, p, q, cosine, sine);
      }
    }
  }
  return { vectors, values: matrix.map((_, index) => at(index, index)) };
}

/** Elements p and q of a row, turned by an angle. */
function rotate(row: Vector, p: number, q: number, cosine: number, sine: number): void {
  const [first, second] = [row[p] as number, row[q] as number];
  row[p] = cosine * first - sine * second;
  row[q] = sine * first + cosine * second;
}

function rotateRows(first: Vector, second: Vector, cosine: number, sine: number): void {
  for (let column = 0; column < first.length; column++) {
    const [p, q] = [first[column] as number, second[column] as number];
    first[column] = cosine * p - sine * q;
    second[column] = sine * p + cosine * q;
  }
}
