/**
 * LoRA-FA (Zhang et al. 2023): A stays as it was drawn, and B's gradient is turned into the one that brings scale·B·A nearest
 * to a step of full fine-tuning, g ← g·(A·Aᵀ + δ)⁻¹ / scale² (peft/optimizers/lorafa.py).
 */
import {
  type GradientTrace,
  type Handle,
  type HandleValues,
  type PatchableSite,
  type Tensor,
  tf,
} from '@tunesmith/core';

/** Added to A·Aᵀ's diagonal, as PEFT's `delta`. */
const delta = 1e-8;

/** What B's gradient is multiplied by, [rank, rank]; it follows from A and is in no adapter file. */
export const preconditionerSuffix = '.lora_B.preconditioner';

export interface Preconditioned {
  readonly b: Handle;
  readonly preconditioner: Handle;
  readonly scale: number;
}

export function declarePreconditioner(site: PatchableSite<'linear'>, a: Handle): Handle {
  const rank = a.shape[0] as number;
  return site.buffer(preconditionerSuffix.slice(1), {
    shape: [rank, rank],
    init: async ({ read }) => preconditionerOf(await read(a), rank),
  });
}

export function preconditionGradients(targets: readonly Preconditioned[], u: GradientTrace): HandleValues {
  return new Map(
    targets.map(({ b, preconditioner, scale }): [Handle, Tensor] => [
      b,
      tf.mul(tf.matMul(u.gradient(b), u.value(preconditioner)), 1 / scale ** 2), // [out, rank]
    ]),
  );
}

/** (A·Aᵀ + δ)⁻¹ of A [rank, in], by Gauss–Jordan elimination, which a positive definite matrix needs no pivots for. */
export function preconditionerOf(a: Float32Array, rank: number): Float32Array {
  const width = a.length / rank;
  const at = (row: number, column: number): number => a[row * width + column] as number;
  const rows = Array.from({ length: rank }, (_, row) =>
    Float64Array.from({ length: 2 * rank }, (_column, column) => {
      if (column >= rank) return column - rank === row ? 1 : 0;
      let sum = column === row ? delta : 0;
      for (let index = 0; index < width; index++) sum += at(row, index) * at(column, index);
      return sum;
    }),
  );
  for (const [pivot, pivotRow] of rows.entries()) {
    const factor = 1 / (pivotRow[pivot] as number);
    for (let column = 0; column < 2 * rank; column++) pivotRow[column] = factor * (pivotRow[column] as number);
    for (const row of rows) {
      const overlap = row === pivotRow ? 0 : (row[pivot] as number);
      for (let column = 0; column < 2 * rank; column++) {
        row[column] = (row[column] as number) - overlap * (pivotRow[column] as number);
      }
    }
  }
  return Float32Array.from(rows.flatMap((row) => [...row.subarray(rank)]));
}
