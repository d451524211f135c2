import { createTextGenerator } from './generate-text.js';
import type { LoadedModel } from './load-model.js';

export interface AnswerPromptsOptions {
  /** Prompts at once. */
  readonly batchSize: number;
  readonly maxNewTokens: number;
  /** Told after each batch how many are answered. */
  readonly onAnswered?: (count: number) => void;
}

/** What greedy decoding says to each of some prompts, in their order. */
export async function answerPrompts(
  loaded: LoadedModel,
  prompts: readonly string[],
  { batchSize, maxNewTokens, onAnswered }: AnswerPromptsOptions,
): Promise<string[]> {
  const generator = createTextGenerator(loaded);
  const answers = prompts.map(() => '');
  try {
    for (let start = 0; start < prompts.length; start += batchSize) {
      const batch = prompts.slice(start, start + batchSize);
      for await (const { prompt, text } of generator.generateBatch(batch, { maxNewTokens, temperature: 0 })) {
        answers[start + prompt] += text;
      }
      onAnswered?.(start + batch.length);
    }
  } finally {
    await generator.dispose();
  }
  return answers;
}
