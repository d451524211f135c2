import { rowsOf } from '../sample-rows.js';
import type { HubDataset, TaskRow } from '../task.js';

/** Questions of primary school with answers that are reasoned out, the number behind `####` (Cobbe et al. 2021). */
export const gsm8kFiles: HubDataset<'train' | 'test'> = {
  name: 'openai/gsm8k',
  files: { train: 'main/train-00000-of-00001.parquet', test: 'main/test-00000-of-00001.parquet' },
};

/** What the two tasks on GSM8K's questions have in common, as PEFT's method comparison has it (MetaMathQA/data.py). */
export const mathTask = {
  objective: { name: 'sft' },
  // Its loss is over prompt and answer.
  data: { format: 'prompt-completion', maxLength: 768, promptLossWeight: 1 },
  metric: { name: 'finalAnswer', chance: 0, ceiling: 1 },
} as const;

/** A question and its answer in that comparison's template. */
export function mathRow(question: unknown, answer: unknown): TaskRow {
  return { prompt: `Question: ${question} Think step by step.\nAnswer:`, completion: ` ${answer}` };
}

export async function gsm8kRows(file: string): Promise<TaskRow[]> {
  return (await rowsOf(file)).map(({ question, answer }) => mathRow(question, answer));
}
