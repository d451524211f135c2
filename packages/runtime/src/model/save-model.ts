import { writeModelFolder } from '@tunesmith/checkpoints';
import { decodeWeight, encodeWeight, memoryTensor, mergedWeights, type StoredTensor } from '@tunesmith/core';
import { withClassifier } from '../objective/classifier-config.js';
import { labelScheme, type ObjectiveSettings } from '../objective/settings.js';
import type { LoadedModel } from './load-model.js';

export interface SaveModelOptions {
  /** Whether the methods' effect may be rounded to the codes of a quantised base; refused if not said. */
  readonly allowLossy?: boolean;
}

/**
 * Writes a Hugging Face folder of a model with its methods' effect in the weights, each in the type that it had in the
 * checkpoint, with the tokenizer's files beside them. What it was trained for, a classifier's labels, goes into config.json.
 * Of a quantised base the values are written that its codes stand for.
 * @throws CAPABILITY_MISSING where a method cannot be merged, or would be into codes
 */
export async function saveModel(
  loaded: LoadedModel,
  path: string,
  objective?: ObjectiveSettings,
  options: SaveModelOptions = {},
): Promise<void> {
  const scheme = objective === undefined ? null : labelScheme(objective);
  const { config: own, tokenizer } = loaded;
  const config = scheme === null ? own : withClassifier(own, scheme, tokenizer.padId);
  await writeModelFolder(path, { config: { ...config }, tensors: weights(loaded, options), copyFrom: loaded.path });
}

async function* weights(
  { model, parameters, storedDtype }: LoadedModel,
  options: SaveModelOptions,
): AsyncGenerator<StoredTensor> {
  for await (const { handle, values, changed } of mergedWeights(model, parameters, options)) {
    const encoding = changed ? parameters.encodingOf(handle) : undefined;
    const kept = encoding === undefined ? values : decodeWeight(encoding, encodeWeight(encoding, values));
    yield memoryTensor(handle.path, handle.shape, kept, storedDtype(handle.path));
  }
}
