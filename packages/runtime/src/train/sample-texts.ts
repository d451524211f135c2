import type { EvaluateEvent } from '@tunesmith/core';
import { createTextGenerator } from '../model/generate-text.js';
import type { LoadedModel } from '../model/load-model.js';
import type { Recipe } from '../recipe/recipe.js';

/**
 * Greedy continuations of a recipe's prompts: what the model says by now. The programs are freed at once, because
 * training needs the memory more than the next evaluation needs their second of compiling.
 */
export async function sampleTexts(
  loaded: LoadedModel,
  { samplePrompts, sampleTokens }: Recipe['trainer'],
): Promise<EvaluateEvent['samples']> {
  const generator = createTextGenerator(loaded);
  try {
    const samples = [];
    for (const prompt of samplePrompts) {
      let text = '';
      for await (const piece of generator.generate(prompt, { maxNewTokens: sampleTokens })) text += piece.text;
      samples.push({ prompt, text });
    }
    return samples;
  } finally {
    await generator.dispose();
  }
}
