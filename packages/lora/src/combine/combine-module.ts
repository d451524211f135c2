import { randomKey, TunesmithError } from '@tunesmith/core';
import { leadingQ, leadingSingularVectors, multiplyTransposed, singularVectorsWithin } from '../decomposition.js';
import type { CombineOptions } from './options.js';
import { dropAndRescale, keepLargest } from './sparsify.js';
import { meanOfElected, weightedSum } from './task-arithmetic.js';

/** One adapter's update of a module, scale · B·A: A `[rank, in]`, B `[out, rank]`, row-major. */
export interface ModuleFactors {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly rank: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly scale: number;
  /** What A and B are called in a file. */
  readonly names: { readonly a: string; readonly b: string };
}

export interface WeightedFactors extends ModuleFactors {
  readonly weight: number;
}

/** Factors whose product is the combined update, at scale 1. */
export interface CombinedFactors {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly rank: number;
}

interface Target {
  readonly path: string;
  /** The rank of the whole result. */
  readonly rank: number;
}

/** What several adapters make of one module together. */
export function combineModule(
  parts: readonly WeightedFactors[],
  options: CombineOptions,
  target: Target,
): CombinedFactors {
  const { combination } = options;
  if (combination === 'cat') return sideBySide(parts, target.rank);
  const isOfUpdates = combination === 'svd' || combination.endsWith('_svd');
  return isOfUpdates ? ofUpdates(parts, options, target) : ofFactors(parts, options, target);
}

/** A's below one another, each with its weight and scale, and B's side by side: exactly Σ weight · scale · B·A. */
function sideBySide(parts: readonly WeightedFactors[], rank: number): CombinedFactors {
  const { inFeatures, outFeatures } = parts[0] as WeightedFactors;
  const a = new Float32Array(rank * inFeatures);
  const b = new Float32Array(outFeatures * rank);
  let start = 0;
  for (const part of parts) {
    const factor = part.weight * part.scale;
    part.a.forEach((value, index) => {
      a[start * inFeatures + index] = value * factor;
    });
    for (let out = 0; out < outFeatures; out++) {
      b.set(part.b.subarray(out * part.rank, (out + 1) * part.rank), out * rank + start);
    }
    start += part.rank;
  }
  return { a, b, rank };
}

/**
 * A's and B's each by themselves, with √(weight · scale) on both and a negative sign on A
 * (_generalized_task_arithmetic_weighted_adapter): cheap, and only roughly the sum of the updates.
 */
function ofFactors(parts: readonly WeightedFactors[], options: CombineOptions, { path }: Target): CombinedFactors {
  const ranks = [...new Set(parts.map(({ rank }) => rank))];
  if (ranks.length > 1) {
    throw new TunesmithError('SHAPE_MISMATCH', `"${options.combination}" combines adapters of one rank`, {
      where: path,
      expected: `rank ${ranks[0]} in all of them`,
      got: ranks.join(', '),
      hint: 'Use cat or one of the kinds that end in svd.',
    });
  }
  const factors = parts.map(({ weight, scale }) => weight * scale);
  const roots = factors.map((factor) => Math.sqrt(Math.abs(factor)));
  const signed = factors.map((factor, index) => (factor < 0 ? -1 : 1) * (roots[index] as number));
  const add = (name: 'a' | 'b', weights: readonly number[]): Float32Array =>
    Float32Array.from(
      addUp(
        parts.map((part) => Float64Array.from(part[name])),
        weights,
        options,
        `${path} ${name}`,
      ),
    );
  return { a: add('a', signed), b: add('b', roots), rank: ranks[0] as number };
}

/** The best approximation of the combined updates by a product of the rank: U·S and Vᵀ of its singular values. */
function ofUpdates(
  parts: readonly WeightedFactors[],
  options: CombineOptions,
  { path, rank }: Target,
): CombinedFactors {
  const { inFeatures, outFeatures } = parts[0] as WeightedFactors;
  const most = Math.min(rank, outFeatures, inFeatures);
  const { vectors, values, project } =
    options.combination === 'svd' ? decomposeFactors(parts, most) : decomposeSum(parts, options, most, path);
  const b = new Float32Array(outFeatures * rank);
  const a = new Float32Array(rank * inFeatures);
  const projected = project(vectors); // S·Vᵀ
  vectors.forEach((vector, index) => {
    const value = values[index] as number;
    for (let out = 0; out < outFeatures; out++) b[out * rank + index] = value * (vector[out] as number);
    if (value > 0)
      a.set(
        Float32Array.from(projected[index] as Float64Array, (entry) => entry / value),
        index * inFeatures,
      );
  });
  return { a, b, rank };
}

/** A matrix's leading left singular vectors and values, and its rows along them. */
interface Decomposed {
  readonly vectors: Float64Array[];
  readonly values: number[];
  project(vectors: readonly Float64Array[]): Float64Array[];
}

/** Of Σ weight · scale · B·A, never written out: its columns lie in the space of the B's, which is small. */
function decomposeFactors(parts: readonly WeightedFactors[], most: number): Decomposed {
  const total = parts.reduce((sum, { rank }) => sum + rank, 0);
  const { a, b } = sideBySide(parts, total);
  const { inFeatures, outFeatures } = parts[0] as WeightedFactors;
  const columnsOfB = { values: b, rows: outFeatures, columns: total };
  const rowsOfA = { values: a, rows: total, columns: inFeatures };
  const project = (vectors: readonly Float64Array[]): Float64Array[] =>
    multiplyTransposed(rowsOfA, multiplyTransposed(columnsOfB, vectors));
  const basis = leadingQ(columnsOfB, total);
  return { ...singularVectorsWithin(basis, project(basis), most), project };
}

/** Of a sum that may have any rank: to what a randomised decomposition finds where it is large. */
function decomposeSum(
  parts: readonly WeightedFactors[],
  options: CombineOptions,
  most: number,
  path: string,
): Decomposed {
  const { inFeatures, outFeatures } = parts[0] as WeightedFactors;
  const weights = parts.map(({ weight }) => weight);
  const sum = addUp(parts.map(productOf), weights, options, path);
  const matrix = { values: Float32Array.from(sum), rows: outFeatures, columns: inFeatures };
  const leading = leadingSingularVectors(matrix, most, randomKey(0, 'combine', path));
  return { ...leading, project: (vectors) => multiplyTransposed(matrix, vectors) };
}

/** scale · B·A, `[out, in]`. */
function productOf({ a, b, rank, inFeatures, outFeatures, scale }: ModuleFactors): Float64Array {
  const product = new Float64Array(outFeatures * inFeatures);
  for (let out = 0; out < outFeatures; out++) {
    for (let index = 0; index < rank; index++) {
      const factor = scale * (b[out * rank + index] as number);
      if (factor === 0) continue;
      for (let column = 0; column < inFeatures; column++) {
        const at = out * inFeatures + column;
        product[at] = (product[at] as number) + factor * (a[index * inFeatures + column] as number);
      }
    }
  }
  return product;
}

/** The weighted sum of tensors, made sparse and elected over before as the kind of combination says. */
function addUp(
  tensors: readonly Float64Array[],
  weights: readonly number[],
  { combination, density, majoritySign, seed }: CombineOptions,
  where: string,
): Float64Array {
  const kind = combination.replace(/_?svd$/, '');
  if (kind === '' || kind === 'linear') return weightedSum(tensors, weights);
  if (density === undefined) {
    throw new TunesmithError('CONFIG_INVALID', `"${combination}" needs the share of values that it keeps`, {
      where: 'density',
      expected: 'a number from 0 to 1, such as 0.5',
    });
  }
  const isRandom = kind.startsWith('dare');
  const sparse = tensors.map((tensor, index) =>
    isRandom ? dropAndRescale(tensor, density, randomKey(seed, 'dare', where, index)) : keepLargest(tensor, density),
  );
  return kind.endsWith('ties') ? meanOfElected(sparse, weights, majoritySign) : weightedSum(sparse, weights);
}
