import { linear, type Tensor, tf } from '@tunesmith/core';
import type { LoraConfig } from './config.js';

/** What one module's update is scaled by and how wide it is. */
export interface LowRankShape {
  readonly rank: number;
  readonly scale: number;
}

/** The first pattern that matches the end of a path, as PEFT's `get_pattern_key` (peft/utils/other.py) finds it. */
function fromPattern(pattern: Readonly<Record<string, number>>, path: string): number | undefined {
  for (const [key, value] of Object.entries(pattern)) if (new RegExp(`^(?:.*\\.)?(?:${key})$`).test(path)) return value;
  return undefined;
}

/** A module's rank and scale: alpha/rank, or alpha/√rank with rsLoRA, each after its own pattern. */
export function lowRankShape(config: LoraConfig, path: string): LowRankShape {
  const rank = fromPattern(config.rankPattern, path) ?? config.rank;
  const alpha = fromPattern(config.alphaPattern, path) ?? config.alpha;
  return { rank, scale: alpha / (config.useRslora ? Math.sqrt(rank) : rank) };
}

/** scale · B·(A·x): x [.., in], A [rank, in], B [out, rank] → [.., out] (Hu et al. 2021, eq. 3). */
export function lowRankUpdate(x: Tensor, a: Tensor, b: Tensor, scale: number): Tensor {
  return tf.mul(linear(linear(x, a), b), scale); // [.., rank], then [.., out]
}

/** weight += factor · B·A on the host, in double precision: weight [out, in], A [rank, in], B [out, rank]. */
export function addLowRankProduct(
  weight: Float32Array,
  a: Float32Array,
  b: Float32Array,
  rank: number,
  factor: number,
): void {
  const inFeatures = a.length / rank;
  const outFeatures = b.length / rank;
  const row = new Float64Array(inFeatures);
  for (let out = 0; out < outFeatures; out++) {
    row.fill(0);
    for (let index = 0; index < rank; index++) {
      const coefficient = factor * (b[out * rank + index] as number);
      const start = index * inFeatures;
      for (let column = 0; column < inFeatures; column++) {
        row[column] = (row[column] as number) + coefficient * (a[start + column] as number);
      }
    }
    const start = out * inFeatures;
    for (let column = 0; column < inFeatures; column++) {
      weight[start + column] = (weight[start + column] as number) + (row[column] as number);
    }
  }
}

/** [rows, columns] → [columns, rows]. */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = values[row * columns + column] as number;
  }
  return turned;
}
