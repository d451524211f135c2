import { type Tensor, TunesmithError, tf } from '@tunesmith/core';

/** The sizes of parameterised hypercomplex multiplication. */
export interface HypercomplexShape {
  /** n: how many Kronecker products are added, and the size of each rule. */
  readonly division: number;
  /** Rank of the factors. */
  readonly rank: number;
  /** Standard deviation of the rules at the start. */
  readonly ruleDeviation: number;
}

/**
 * Hᵀ [out, in] of H = Σᵢ Rᵢ ⊗ (Sᵢ·Tᵢ) (Mahabadi et al. 2021, eq. 4; Zhang et al. 2021): rules R [n, n, n], left S
 * [n, in/n, rank], right T [n, rank, out/n].
 *
 * Σᵢ R[i,a,b] · W[i,p,q] is one product of matrices, [n, n·n]ᵀ by [n, in/n · out/n], and the Kronecker structure is where
 * its numbers lie. An einsum or a broadcast batched product would have no gradient on every backend.
 */
export function hypercomplexWeight(rules: Tensor, left: Tensor, right: Tensor): Tensor {
  const [n = 0, rows = 0] = left.shape;
  const columns = right.shape[2] as number;
  const factors = tf.matMul(left, right); // [n, in/n, out/n]
  const sum = tf.matMul(tf.reshape(rules, [n, n * n]), tf.reshape(factors, [n, rows * columns]), true); // [n·n, in/n · out/n]
  const blocks = tf.reshape(sum, [n, n, rows, columns]); // [a, b, p, q]: H[a·rows + p, b·columns + q]
  return tf.reshape(tf.transpose(blocks, [1, 3, 0, 2]), [n * columns, n * rows]); // [out, in]
}

/** Refuses sizes that a Kronecker product of n blocks cannot make. */
export function checkDivisible(sizes: readonly number[], division: number, where: string): void {
  const odd = sizes.find((size) => size % division !== 0);
  if (odd === undefined) return;
  throw new TunesmithError('CONFIG_INVALID', `${odd} features cannot be cut into ${division} equal parts`, {
    where,
    expected: `hidden size and bottleneck to be multiples of hypercomplexDivision, ${division}`,
    got: sizes.join(' and '),
    hint: 'Choose another reductionFactor or hypercomplexDivision.',
  });
}
