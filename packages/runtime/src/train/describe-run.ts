import type { Model } from '@tunesmith/core';
import { loadTokenizer, type Tokenizer } from '@tunesmith/data';
import type { Engine } from '../model/engine.js';
import { checkNewTokensTrain, fitVocabulary } from '../model/fit-vocabulary.js';
import { describeModel, familyOf, formOf } from '../model/load-model.js';
import { namedAdapters } from '../model/named-adapters.js';
import type { OpenBase } from '../model/open-base.js';
import { withExperts } from '../model/with-experts.js';
import { adaptersOf, headOf, methodsOf } from '../objective/settings.js';
import type { Recipe } from '../recipe/recipe.js';
import { configuredMethods } from './configured-methods.js';

/** A recipe's model without its weights, patched by its methods, and the tokenizer beside it. */
export async function describeRun(
  recipe: Recipe,
  { path, config: stored, tensors, readTokenizer }: OpenBase,
  { families, methods, objectives }: Pick<Engine, 'families' | 'methods' | 'objectives'>,
): Promise<{ readonly model: Model; readonly tokenizer: Tokenizer }> {
  const tokenizer = await loadTokenizer(await readTokenizer());
  const form = {
    ...headOf(recipe.objective, objectives),
    ...formOf(recipe.model.quantization ?? null),
    checkpoint: tensors,
  };
  const config = withExperts(stored, recipe.model.experts, familyOf(stored, path, families), path);
  const plain = describeModel(config, path, families, [], null, form);
  const resizing = { where: path, resize: recipe.model.resizeVocabulary };
  const fitted = fitVocabulary(plain, config, tokenizer, resizing);
  const all = [...configuredMethods(recipe, methods), ...methodsOf(recipe.objective, objectives)];
  const { methods: adapters } = await namedAdapters(recipe, { methods });
  const model = describeModel(fitted.config, path, families, all, null, { ...form, adapters });
  model.under(adaptersOf(recipe.objective, objectives));
  checkNewTokensTrain(plain, model);
  return { model, tokenizer };
}
