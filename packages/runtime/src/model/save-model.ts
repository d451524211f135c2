import { writeModelFolder } from '@tunesmith/checkpoints';
import { memoryTensor, mergedWeights, type StoredTensor } from '@tunesmith/core';
import { withClassifier } from '../objective/classifier-config.js';
import { labelScheme, type ObjectiveSettings } from '../objective/settings.js';
import type { LoadedModel } from './load-model.js';

/**
 * Writes a Hugging Face folder of a model with its methods' effect in the weights, each in the type that it had in the
 * checkpoint, with the tokenizer's files beside them. What it was trained for, a classifier's labels, goes into config.json.
 */
export async function saveModel(loaded: LoadedModel, path: string, objective?: ObjectiveSettings): Promise<void> {
  const scheme = objective === undefined ? null : labelScheme(objective);
  const { config: own, tokenizer } = loaded;
  const config = scheme === null ? own : withClassifier(own, scheme, tokenizer.padId);
  await writeModelFolder(path, { config: { ...config }, tensors: weights(loaded), copyFrom: loaded.path });
}

async function* weights({ model, parameters, storedDtype }: LoadedModel): AsyncGenerator<StoredTensor> {
  for await (const { handle, values } of mergedWeights(model, parameters)) {
    yield memoryTensor(handle.path, handle.shape, values, storedDtype(handle.path));
  }
}
