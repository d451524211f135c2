/** How the losses of tokens become one, by TRL's `loss_type`. */
export type LossNormalisation = 'grpo' | 'bnpo' | 'dr_grpo' | 'dapo';

/** What each answer's tokens weigh in a sum, and what of a step divides it: its answers, or their tokens. */
export interface TokenWeights {
  /** Of a token, for each answer. */
  readonly weights: readonly number[];
  readonly per: 'answers' | 'tokens';
}

/**
 * The means that GRPO's variants take of the losses of tokens, over a rollout of answers with so many tokens:
 * `grpo` over answers of the means over tokens (Shao et al. 2024, eq. 3); `bnpo` over the tokens of a step; `dr_grpo` over answers of
 * sums divided by the most tokens that an answer may have (Liu et al. 2025, arXiv:2503.20783); `dapo` over the tokens of the rollout, each
 * step having its answers' part of them (Yu et al. 2025, arXiv:2503.14476, eq. 12).
 */
export function tokenWeights(kind: LossNormalisation, lengths: readonly number[], maxNewTokens: number): TokenWeights {
  const all = lengths.reduce((sum, length) => sum + length, 0);
  switch (kind) {
    case 'grpo':
      return { weights: lengths.map((length) => 1 / Math.max(1, length)), per: 'answers' };
    case 'bnpo':
      return { weights: lengths.map(() => 1), per: 'tokens' };
    case 'dr_grpo':
      return { weights: lengths.map(() => 1 / maxNewTokens), per: 'answers' };
    case 'dapo':
      return { weights: lengths.map(() => lengths.length / Math.max(1, all)), per: 'answers' };
  }
}
