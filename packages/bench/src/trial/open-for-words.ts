import { type LoadedModel, loadModel, locateModel, type ObjectiveSettings, type RunResult } from '@tunesmith/runtime';
import { type TrialParts, withModel } from './open-trained.js';

/** How any model that continues texts is measured on them, whatever it was trained by. */
export const words: ObjectiveSettings = { name: 'sft' };

/**
 * Opens the base under its own head for words, with what a classifier's training made of everything below that head: its
 * weights and what its methods added to it. Null for a family that continues no texts.
 */
export async function withOwnHead<Result>(
  parts: TrialParts,
  trained: RunResult,
  use: (loaded: LoadedModel) => Promise<Result>,
): Promise<Result | null> {
  const { objective, model: base } = parts.recipe;
  return withModel(parts, { trained, objective }, async (classifier) => {
    const { model, backend, quantization } = classifier;
    const { methods, stage, family } = model;
    if (family.tasks?.includes('causal-lm') === false) return null;
    const { families, hub } = parts.engine;
    const { path } = await locateModel(base, hub);
    const { dtype } = base;
    const form = { dtype, quantization, methods, stage, objective: words };
    const loaded = await loadModel({ path, backend, families, ...form });
    try {
      await copyValues(classifier, loaded);
      return await use(loaded);
    } finally {
      loaded.dispose();
    }
  });
}

/** Gives every value that both models have, as it is stored. Codes stay: they are the same base's, which nothing trained. */
async function copyValues(from: LoadedModel, to: LoadedModel): Promise<void> {
  const shared = new Set(from.model.handles.map(({ key }) => key));
  for (const handle of to.model.handles) {
    if (!shared.has(handle.key) || to.parameters.encodingOf(handle) !== undefined) continue;
    const value = await from.parameters.tensors.get(handle.key);
    // It may be stored in another type than the base has it in.
    to.parameters.tensors.delete(handle.key);
    to.parameters.tensors.set(handle.key, value);
  }
}
