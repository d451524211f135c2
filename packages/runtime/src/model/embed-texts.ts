import { createExecutableCache, predict, type Row, TunesmithError } from '@tunesmith/core';
import { encodeTexts } from '@tunesmith/data';
import { withSentenceModules } from '../objective/sentence-modules.js';
import { createObjective, type ObjectiveSettings } from '../objective/settings.js';
import { rowLengthOf } from '../train/resolve-recipe.js';
import type { LoadedModel } from './load-model.js';

export interface EmbedTextsOptions {
  /** How vectors are made: `contrastive`, with its pooling. `openModel` says it. */
  readonly objective: ObjectiveSettings;
  readonly texts: Iterable<string> | AsyncIterable<string>;
  /** Texts at once; 8 if not said. */
  readonly batchSize?: number;
  /** Most tokens of a text; as a sentence-transformers folder says, or else a recipe, if not said. */
  readonly maxLength?: number;
}

/**
 * The vector of each text, `[hidden]`, in their order: its states pooled, and divided by their norm where the objective or the model's
 * folder says so.
 * @throws CAPABILITY_MISSING for a model that does something else
 */
export async function* embedTexts(
  { model, parameters, backend, tokenizer, path, objectives }: LoadedModel,
  { objective: settings, texts, batchSize = 8, maxLength: asked }: EmbedTextsOptions,
): AsyncGenerator<Float32Array, void, void> {
  if (model.head.task !== 'embedding') {
    throw new TunesmithError('CAPABILITY_MISSING', 'this model makes no vectors', {
      where: path,
      expected: 'one that was opened for embedding',
      got: model.head.task,
      hint: 'Open it with the objective { name: contrastive }.',
    });
  }
  const { shape } = model;
  const maxLength = await rowLengthOf(asked === undefined ? {} : { maxLength: asked }, {
    shape,
    objective: settings,
    path,
  });
  async function* rows(): AsyncGenerator<Row> {
    for await (const text of texts) {
      const { tokens } = encodeTexts(tokenizer, [text], maxLength);
      if (tokens.length === 0) {
        throw new TunesmithError('DATA_INVALID', 'nothing is left of a text as the tokenizer writes it', {
          got: JSON.stringify(text),
        });
      }
      yield { tokens, weights: new Float32Array(tokens.length) };
    }
  }
  const executables = createExecutableCache(backend, parameters.tensors);
  const objective = createObjective(await withSentenceModules(settings, path), tokenizer, objectives);
  try {
    const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
    yield* predict(rows(), { model, parameters, objective, executables, collate });
  } finally {
    await executables.dispose();
  }
}
