/** Ways to add up what several adapters make of one tensor, on the host in double precision. */

/** Σ weightᵢ · τᵢ (task arithmetic, Ilharco et al. 2023). */
export function weightedSum(tensors: readonly Float64Array[], weights: readonly number[]): Float64Array {
  const sum = new Float64Array(tensors[0]?.length ?? 0);
  tensors.forEach((tensor, index) => {
    const weight = weights[index] as number;
    for (let at = 0; at < sum.length; at++) sum[at] = (sum[at] as number) + weight * (tensor[at] as number);
  });
  return sum;
}

/** Whose sign an element gets: that of the larger sum, or that of the larger number. */
export type MajoritySign = 'total' | 'frequency';

/**
 * The weighted mean, element by element, over those tensors whose sign is the elected one: TIES's last two steps
 * (Yadav et al. 2023, §3), with weights as PEFT has them (calculate_majority_sign_mask and disjoint_merge in
 * peft/utils/merge_utils.py). A sum of 0 elects plus; 0 agrees with neither.
 */
export function meanOfElected(
  tensors: readonly Float64Array[],
  weights: readonly number[],
  majority: MajoritySign,
): Float64Array {
  const mean = new Float64Array(tensors[0]?.length ?? 0);
  for (let at = 0; at < mean.length; at++) {
    const values = tensors.map((tensor) => tensor[at] as number);
    const votes = majority === 'total' ? values : values.map(Math.sign);
    const elected = votes.reduce((sum, vote) => sum + vote, 0) >= 0 ? 1 : -1;
    let sum = 0;
    let count = 0;
    values.forEach((value, index) => {
      if (Math.sign(value) !== elected) return;
      sum += (weights[index] as number) * value;
      count++;
    });
    mean[at] = sum / Math.max(count, 1);
  }
  return mean;
}
