import { createExecutableCache, type EvaluateEvent, evaluate } from '@tunesmith/core';
import type { Dataset } from '@tunesmith/data';
import type { OpenRun } from './open-run.js';
import { sampleTexts } from './sample-texts.js';

/** The held-out loss before the first step: what the run's later losses are compared with. */
export async function evaluateUntrained(
  { loaded, recipe, objective, maxLength }: Pick<OpenRun, 'loaded' | 'recipe' | 'objective' | 'maxLength'>,
  validation: Dataset,
): Promise<EvaluateEvent> {
  const { model, parameters, backend, tokenizer } = loaded;
  const executables = createExecutableCache(backend, parameters.tensors);
  try {
    const collate = { rows: recipe.trainer.batchSize, maxLength, padToken: tokenizer.padId };
    const parts = { model, parameters, objective, executables, collate };
    const { loss, perplexity, metrics } = await evaluate(validation.rows(), parts);
    const samples = await sampleTexts(loaded, recipe);
    return { type: 'evaluate', step: 0, loss, perplexity, metrics, samples, best: false };
  } finally {
    await executables.dispose();
  }
}
