export interface AdvantageOptions {
  /** γ: what a reward one token later is worth. */
  readonly discount: number;
  /** λ: how far a value's error counts back. */
  readonly lambda: number;
}

/** For each token of an answer. */
export interface Advantages {
  readonly advantages: number[];
  /** What values are to be: advantages + values. */
  readonly returns: number[];
}

/**
 * Generalised advantage estimation over one answer (Schulman et al. 2016, arXiv:1506.02438, eq. 16), whose last token is followed by
 * nothing: δ_t = r_t + γV_{t+1} − V_t, A_t = δ_t + γλA_{t+1}, R_t = A_t + V_t.
 */
export function estimateAdvantages(
  rewards: readonly number[],
  values: readonly number[],
  { discount, lambda }: AdvantageOptions,
): Advantages {
  const advantages = rewards.map(() => 0);
  let next = { value: 0, advantage: 0 };
  for (let index = rewards.length - 1; index >= 0; index--) {
    const value = values[index] as number;
    const delta = (rewards[index] as number) + discount * next.value - value;
    next = { value, advantage: delta + discount * lambda * next.advantage };
    advantages[index] = next.advantage;
  }
  return { advantages, returns: advantages.map((advantage, index) => advantage + (values[index] as number)) };
}

/** Where values have variance below this, they are divided by no less than its root (TRL, torchtune). */
const leastVariance = 1e-8;

/**
 * (x − mean)/√(variance + 1e-8) over all tokens of all answers, the variance unbiased (TRL's `masked_whiten`). `keepMean` only scales,
 * as rewards are.
 */
export function whiten(answers: readonly (readonly number[])[], { keepMean = false } = {}): number[][] {
  const all = answers.flat();
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
  const squares = all.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const scale = 1 / Math.sqrt(squares / Math.max(1, all.length - 1) + leastVariance);
  return answers.map((values) => values.map((value) => (value - mean) * scale + (keepMean ? mean : 0)));
}
