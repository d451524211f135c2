import { collectLabels } from '@tunesmith/data';
import type { Recipe } from '../recipe/recipe.js';
import { numberedLabels } from './settings.js';

/** A recipe's objective with its labels by name: those that it says, or those that the training data holds. */
export async function resolveObjective({
  objective,
  data,
}: Pick<Recipe, 'objective' | 'data'>): Promise<Recipe['objective']> {
  const { name, labels, problemType = 'single-label' } = objective;
  if (name !== 'classification' || Array.isArray(labels)) return objective;
  if (typeof labels === 'number') return { ...objective, labels: numberedLabels(labels) };
  const { train, format, columns, header } = data;
  const found = await collectLabels(typeof train === 'string' ? [train] : train, problemType, {
    ...(format === undefined ? {} : { format }),
    ...(columns === undefined ? {} : { columns }),
    ...(header === undefined ? {} : { header }),
  });
  return { ...objective, labels: [...found.names] };
}
