import type { EvaluateEvent } from '@tunesmith/core';
import { createTextGenerator } from '../model/generate-text.js';
import type { LoadedModel } from '../model/load-model.js';
import type { Recipe } from '../recipe/recipe.js';

/** Shows what a model says by now. */
export interface Sampler {
  /** Greedy continuations of the recipe's prompts; none without prompts. */
  sample(): Promise<EvaluateEvent['samples']>;
  dispose(): Promise<void>;
}

export function createSampler(loaded: LoadedModel, { samplePrompts, sampleTokens }: Recipe['trainer']): Sampler {
  const generator = createTextGenerator(loaded);
  return {
    async sample() {
      const samples = [];
      for (const prompt of samplePrompts) {
        let text = '';
        for await (const piece of generator.generate(prompt, { maxNewTokens: sampleTokens })) text += piece.text;
        samples.push({ prompt, text });
      }
      return samples;
    },
    dispose: () => generator.dispose(),
  };
}
