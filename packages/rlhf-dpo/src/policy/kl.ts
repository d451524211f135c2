/** How far the model is from its reference, of one token x that it drew, with d = log π(x) − log π_ref(x). */
export type KlEstimator = 'k1' | 'k2' | 'k3';

/**
 * Schulman's estimators of KL(π ‖ π_ref) (*Approximating KL divergence*, 2020): k1 = d, unbiased; k2 = d²/2; k3 = e^−d − 1 + d,
 * unbiased and never negative.
 */
export function klEstimate(kind: KlEstimator, logProb: number, reference: number): number {
  const difference = logProb - reference;
  if (kind === 'k1') return difference;
  return kind === 'k2' ? difference ** 2 / 2 : Math.expm1(-difference) + difference;
}

export interface AdaptiveKl {
  /** The KL, in nats an answer, that the coefficient is steered to. */
  readonly target: number;
  /** Answers over which the coefficient may change by a fifth at most. */
  readonly horizon: number;
}

/**
 * The coefficient after a rollout of so many answers: c · (1 + clip(KL/target − 1, −0.2, 0.2) · answers/horizon)
 * (Ziegler et al. 2019, arXiv:1909.08593, §2.2).
 */
export function adaptKlCoefficient(
  coefficient: number,
  kl: number,
  answers: number,
  { target, horizon }: AdaptiveKl,
): number {
  const error = Math.min(0.2, Math.max(-0.2, kl / target - 1));
  return coefficient * (1 + (error * answers) / horizon);
}
