/**
 * Reward models against TRL's RewardTrainer: twenty steps from equal weights give equal losses, gradient norms, margins,
 * accuracies and adapters, head and all. How they were recorded: README.md beside this file.
 */
import { reward } from '@tunesmith/rlhf-dpo';
import { describe, it } from 'vitest';
import { recordedPairs, takePairSteps } from './recorded-pairs.js';
import { recordedCases } from './recorded-steps.js';

const topic = 'reward-training';

describe('a reward model takes the same steps as TRL', () => {
  it.each(Object.entries(recordedCases(topic)))('%s', async (name, recorded) => {
    // The recorder's margin of each pair: `margin_of`.
    const rows = recordedPairs().map((row, index) =>
      name.startsWith('margin') ? { ...row, margin: (index % 5) / 4 } : row,
    );
    const metrics = ['rewards.margins', 'rewards.accuracies'];
    await takePairSteps({ topic, name, recorded, rows, metrics, objective: reward(recorded.options) });
  });
});
