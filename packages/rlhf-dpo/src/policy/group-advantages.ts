/** What the rewards of a prompt's answers are divided by: their own deviation, that of the whole rollout, or nothing. */
export type RewardScale = 'group' | 'batch' | 'none';

/** Added to the deviation, as TRL's GRPOTrainer does. */
const leastDeviation = 1e-4;

/**
 * A = (r − mean)/(deviation + 1e-4), the mean over the answers to one prompt (GRPO, Shao et al. 2024, arXiv:2402.03300, eq. 3). `none` leaves
 * out the deviation, which favours prompts of which nearly all answers are equally good (Dr. GRPO, arXiv:2503.20783); `batch` takes it
 * over all answers (arXiv:2508.08221). Deviations are unbiased.
 */
export function groupAdvantages(rewards: readonly (readonly number[])[], scale: RewardScale): number[][] {
  const whole = deviation(rewards.flat());
  return rewards.map((group) => {
    const centre = mean(group);
    const own = scale === 'group' ? deviation(group) : whole;
    return group.map((reward) => (scale === 'none' ? reward - centre : (reward - centre) / (own + leastDeviation)));
  });
}

/**
 * A = r − the mean reward of the prompt's other answers (RLOO, Ahmadian et al. 2024, arXiv:2402.14740, eq. 6). One answer alone has none.
 */
export function leaveOneOut(rewards: readonly (readonly number[])[]): number[][] {
  return rewards.map((group) => {
    const sum = group.reduce((total, reward) => total + reward, 0);
    return group.map((reward) => (group.length === 1 ? 0 : reward - (sum - reward) / (group.length - 1)));
  });
}

/** (A − mean)/(deviation + 1e-4) over all answers (`normalize_advantages` of TRL's RLOOConfig). */
export function normaliseAdvantages(advantages: readonly (readonly number[])[]): number[][] {
  const [centre, own] = [mean(advantages.flat()), deviation(advantages.flat())];
  return advantages.map((group) => group.map((advantage) => (advantage - centre) / (own + leastDeviation)));
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Unbiased; 0 of one value. */
export function deviation(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / Math.max(1, values.length - 1));
}
