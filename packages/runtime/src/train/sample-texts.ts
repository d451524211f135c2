import type { EvaluateEvent } from '@tunesmith/core';
import { chatPrompt } from '../model/chat-prompt.js';
import { createTextGenerator } from '../model/generate-text.js';
import type { LoadedModel } from '../model/load-model.js';
import type { Recipe } from '../recipe/recipe.js';

/**
 * Greedy continuations of a recipe's prompts, and answers to its conversations: what the model says by now. The programs are freed at once, because
 * training needs the memory more than the next evaluation needs their second of compiling.
 */
export async function sampleTexts(
  loaded: LoadedModel,
  { data, trainer: { samplePrompts, sampleTokens } }: Recipe,
): Promise<EvaluateEvent['samples']> {
  if (samplePrompts.length === 0) return [];
  const generator = createTextGenerator(loaded);
  try {
    const samples = [];
    for (const prompt of samplePrompts) {
      const asked = typeof prompt === 'string' ? prompt : chatPrompt(loaded.tokenizer, data.template)(prompt);
      let text = '';
      for await (const piece of generator.generate(asked, { maxNewTokens: sampleTokens })) text += piece.text;
      samples.push({ prompt: typeof prompt === 'string' ? prompt : (prompt.at(-1)?.content ?? ''), text });
    }
    return samples;
  } finally {
    await generator.dispose();
  }
}
