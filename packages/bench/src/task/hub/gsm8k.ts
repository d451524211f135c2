import { drawn } from '../sample-rows.js';
import type { TaskDefinition } from '../task.js';
import { gsm8kFiles, gsm8kRows, mathTask } from './math-rows.js';

const held = 50;

/** GSM8K's questions, trained on its own. */
export const gsm8k: TaskDefinition = {
  ...mathTask,
  name: 'gsm8k',
  summary: 'Word problems of primary school, reasoned out to a number; trained on GSM8K itself.',
  licence: 'MIT',
  source: 'openai/gsm8k on the Hub (Cobbe et al. 2021)',
  async rows({ dataset }) {
    const files = await dataset(gsm8kFiles);
    const all = await gsm8kRows(files.train);
    const validation = drawn(all, held, 'gsm8k');
    const kept = new Set(validation);
    return { train: all.filter((row) => !kept.has(row)), validation, test: await gsm8kRows(files.test) };
  },
};
