import { loadModel } from './load-model.js';
import type { AdaptedModel } from './open-model.js';
import { saveModel } from './save-model.js';
import { textLogits } from './text-logits.js';

/** What rounding a merged model to codes has changed. */
export interface LogitChange {
  /** The largest and the mean magnitude of a logit's change, over all positions of the texts. */
  readonly largest: number;
  readonly mean: number;
  /** The mean magnitude of the logits themselves, to compare with. */
  readonly logits: number;
}

/**
 * Merges a model's adapters into the codes of its quantised base, and writes a Hugging Face folder of these as `saveModel`
 * does. Gives how far the logits of texts are from those of the adapters beside the base.
 */
export async function mergeIntoCodes(
  adapted: AdaptedModel,
  path: string,
  texts: readonly string[],
): Promise<LogitChange> {
  const { backend, model, objective } = adapted;
  const before = await textLogits(adapted, texts);
  await saveModel(adapted, path, objective, { allowLossy: true });
  const merged = await loadModel({ path, backend, families: [model.family], objective });
  try {
    return changeOf(before, await textLogits(merged, texts));
  } finally {
    merged.dispose();
  }
}

function changeOf(before: readonly Float32Array[], after: readonly Float32Array[]): LogitChange {
  let [largest, sum, size, count] = [0, 0, 0, 0];
  for (const [index, logits] of before.entries()) {
    for (const [at, logit] of logits.entries()) {
      const change = Math.abs((after[index]?.[at] as number) - logit);
      largest = Math.max(largest, change);
      sum += change;
      size += Math.abs(logit);
    }
    count += logits.length;
  }
  return { largest, mean: sum / count, logits: size / count };
}
