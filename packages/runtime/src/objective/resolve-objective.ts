import { type ModelShape, TunesmithError } from '@tunesmith/core';
import { collectLabels } from '@tunesmith/data';
import type { Recipe } from '../recipe/recipe.js';
import { numberedLabels, type Objectives, rowsOf } from './settings.js';

/**
 * A recipe's objective for a model: with its labels by name, those that it says, or those that the training data holds.
 * Answers are learnt by `seq2seq` where an encoder reads the prompts, and begin with the model's own token.
 */
export async function resolveObjective(
  { objective, data }: Pick<Recipe, 'objective' | 'data'>,
  { answerStart }: Pick<ModelShape, 'answerStart'>,
  objectives: Objectives = [],
): Promise<Recipe['objective']> {
  const { name, labels, problemType = 'single-label' } = objective;
  if (answerStart !== undefined && (name === 'sft' || name === 'seq2seq')) {
    if (data.packing) {
      throw new TunesmithError('CONFIG_INVALID', 'an encoder reads one text for each row', {
        where: 'data.packing',
        expected: 'false',
        got: 'true',
      });
    }
    return { ...objective, name: 'seq2seq', answerStart: objective.answerStart ?? answerStart };
  }
  const rows = rowsOf(objective, objectives);
  if ((rows !== 'labels' && rows !== 'tags') || Array.isArray(labels)) return objective;
  if (typeof labels === 'number') return { ...objective, labels: numberedLabels(labels) };
  const { train, format, columns, header } = data;
  const found = await collectLabels(typeof train === 'string' ? [train] : train, problemType, {
    ...(format === undefined ? {} : { format }),
    ...(columns === undefined ? {} : { columns }),
    ...(header === undefined ? {} : { header }),
    rows,
  });
  return { ...objective, labels: [...found.names] };
}
