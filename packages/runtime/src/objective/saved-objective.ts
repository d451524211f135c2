import { openAdapter } from '@tunesmith/checkpoints';
import { contrastive, questionAnswering } from '@tunesmith/core';
import type { AdapterDescription } from '../model/adapter-folder.js';
import { classificationIn, tokenClassificationIn, trainedFor } from './classifier-config.js';
import { readSentenceModules, withSentenceModules } from './sentence-modules.js';
import type { ObjectiveSettings } from './settings.js';

/** The last layer of a head that PEFT saves with a classifier's adapter (peft/peft_model.py). */
const headWeight = /\.(classifier|classifier\.out_proj|score)\.weight$/;

/** What makes vectors of texts, in whichever way the model says. */
const embedding: ObjectiveSettings = { name: contrastive.definition.name };

/**
 * What adapters were trained for, or else the model: as their manifests say, or as PEFT and transformers do. Undefined where
 * nothing is said. `model` is the model's folder.
 */
export async function savedObjective(
  adapters: readonly AdapterDescription[],
  config: Readonly<Record<string, unknown>>,
  model: string,
): Promise<ObjectiveSettings | undefined> {
  for (const { manifest, format, path, config: own } of adapters) {
    if (manifest !== null && manifest.objective !== null) return withSentenceModules(manifest.objective, model);
    if (manifest !== null || format !== 'peft') continue;
    if (own.task_type === 'SEQ_CLS') return classificationIn(config, await labelCount(path));
    if (own.task_type === 'FEATURE_EXTRACTION') return withSentenceModules(embedding, model);
    if (own.task_type === 'QUESTION_ANS') return { name: questionAnswering.definition.name };
    if (own.task_type === 'TOKEN_CLS') return tokenClassificationIn(config, await labelCount(path));
  }
  const isEmbedder = (await readSentenceModules(model)) !== null;
  return trainedFor(config) ?? (isEmbedder ? withSentenceModules(embedding, model) : undefined);
}

/** How many labels the head in an adapter gives logits for. */
async function labelCount(path: string): Promise<number | undefined> {
  const { tensors, close } = await openAdapter(path);
  await close();
  const name = tensors.names().find((tensor) => headWeight.test(tensor));
  return name === undefined ? undefined : tensors.get(name)?.shape[0];
}
