import { writeModelFolder } from '@tunesmith/checkpoints';
import { memoryTensor, mergedWeights, type StoredTensor } from '@tunesmith/core';
import type { LoadedModel } from './load-model.js';

/**
 * Writes a Hugging Face folder of a model with its methods' effect in the weights, each in the type that it had in the
 * checkpoint, with the tokenizer's files beside them.
 */
export async function saveModel(loaded: LoadedModel, path: string): Promise<void> {
  await writeModelFolder(path, { config: { ...loaded.config }, tensors: weights(loaded), copyFrom: loaded.path });
}

async function* weights({ model, parameters, storedDtype }: LoadedModel): AsyncGenerator<StoredTensor> {
  for await (const { handle, values } of mergedWeights(model, parameters)) {
    yield memoryTensor(handle.path, handle.shape, values, storedDtype(handle.path));
  }
}
