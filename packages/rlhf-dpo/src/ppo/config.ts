import { z } from 'zod';
import { policyOptions } from '../policy/options.js';
import { rewardOptions } from '../policy/reward-function.js';

/** What PPO may be told, whatever its reward is. */
export const ppoOptions = z.object({
  ...policyOptions,
  prompts: policyOptions.prompts.default(32),
  maxNewTokens: policyOptions.maxNewTokens
    .default(53)
    .describe('Most tokens of an answer. Default: TRL’s `response_length`, 53.'),
  temperature: policyOptions.temperature
    .default(0.7)
    .describe('Of the answers, and of the log-probabilities that are learnt. Default: TRL’s PPOConfig, 0.7.'),
  epochs: z
    .int()
    .positive()
    .default(4)
    .describe('How often the answers are gone through before new ones are given. Default: TRL’s `num_ppo_epochs`, 4.'),
  klCoefficient: z
    .number()
    .min(0)
    .default(0.05)
    .describe(
      'How dear it is to leave the reference: what a token’s KL takes off its reward. Default: TRL’s `kl_coef`, 0.05.',
    ),
  klEstimator: z
    .enum(['k1', 'k3'])
    .default('k1')
    .describe('How a token’s KL is estimated: log π/π_ref, or Schulman’s k3, never negative. Default: TRL’s, k1.'),
  klTarget: z
    .number()
    .positive()
    .optional()
    .describe(
      'The KL of an answer, in nats, that the coefficient is steered to (Ziegler et al. 2019, §2.2: 6). The coefficient stays if not said, as in TRL.',
    ),
  klHorizon: z
    .number()
    .positive()
    .default(10_000)
    .describe('Answers over which the coefficient may change by a fifth. Default: Ziegler et al. 2019, 10,000.'),
  discount: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe('γ: what a reward one token later is worth. Default: TRL’s, 1.'),
  lambda: z.number().min(0).max(1).default(0.95).describe('λ of advantage estimation. Default: TRL’s `lam`, 0.95.'),
  clip: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.2)
    .describe(
      'How far a token’s probability may move, as a ratio, before it stops counting. Default: TRL’s `cliprange`, 0.2.',
    ),
  clipValue: z
    .number()
    .positive()
    .default(0.2)
    .describe('How far a value may move before it stops counting. Default: TRL’s `cliprange_value`, 0.2.'),
  valueWeight: z
    .number()
    .positive()
    .default(0.1)
    .describe('What the values’ loss weighs beside the policy’s. Default: TRL’s `vf_coef`, 0.1.'),
  whitenRewards: z
    .boolean()
    .default(false)
    .describe('Rewards of tokens divided by their deviation over the rollout. Default: TRL’s `whiten_rewards`, off.'),
  scoreAfterEnd: z
    .boolean()
    .default(false)
    .describe(
      'The score of an answer that ends itself comes one state later, after its end, which has a value too, as in TRL. Default: with the last token, which ends the episode (Ziegler et al. 2019, eq. 2).',
    ),
  mostKl: z
    .number()
    .positive()
    .optional()
    .describe(
      'The KL of a token, in nats, from the model that answered, above which a rollout is given up before its epochs are over. Off if not said, as in TRL; OpenAI’s Spinning Up stops at 0.015.',
    ),
});

export const ppoConfigSchema = ppoOptions.extend(rewardOptions);

export type PpoConfig = z.output<typeof ppoConfigSchema>;

export type PpoOptions = z.output<typeof ppoOptions>;
