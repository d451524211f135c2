import { drawn, rowsOf } from '../sample-rows.js';
import type { TaskDefinition } from '../task.js';

const sizes = { validation: 100, test: 500 } as const;

/** What people preferred of two answers of an assistant that is to be helpful. */
export const helpfulAnswers: TaskDefinition = {
  name: 'helpful-answers',
  summary: 'Which of two answers of an assistant did people find more helpful?',
  licence: 'MIT',
  source: 'Anthropic/hh-rlhf on the Hub, helpful-base (Bai et al. 2022)',
  objective: { name: 'dpo', reference: 'cached' },
  data: { maxLength: 512 },
  // Nobody reaches it: people themselves disagree.
  metric: { name: 'rewards/accuracies', chance: 0.5, ceiling: 1 },
  async rows({ dataset }) {
    const files = await dataset({
      name: 'Anthropic/hh-rlhf',
      files: { train: 'helpful-base/train.jsonl.gz', test: 'helpful-base/test.jsonl.gz' },
    });
    const all = await rowsOf(files.train);
    const validation = drawn(all, sizes.validation, 'helpful');
    const kept = new Set(validation);
    const test = drawn(await rowsOf(files.test), sizes.test, 'helpful test');
    return { train: all.filter((row) => !kept.has(row)), validation, test };
  },
};
