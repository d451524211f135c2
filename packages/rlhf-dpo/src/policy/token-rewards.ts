/**
 * The reward of each token of an answer: −coefficient · KL of the token, and at the last one the answer's score (Ziegler et al. 2019,
 * arXiv:1909.08593, eq. 2; TRL's PPOTrainer).
 */
export function tokenRewards(score: number, kl: readonly number[], coefficient: number): number[] {
  const last = kl.length - 1;
  return kl.map((each, index) => -coefficient * each + (index === last ? score : 0));
}

/** A score less the penalty for an answer that was cut off before it ended itself (`missing_eos_penalty` of TRL's PPOConfig). */
export function endedScore(score: number, ended: boolean, penalty: number): number {
  return ended ? score : score - penalty;
}
