import { existsSync } from 'node:fs';
import { type GeneratedData, generateData, readGenerated } from '../generate/generate-data.js';
import type { Engine, OnPhase } from '../model/engine.js';
import { openModel } from '../model/open-model.js';
import type { Recipe } from '../recipe/recipe.js';
import { runPaths } from '../run/run-folder.js';
import type { SequenceTask } from './read-sequence.js';

/** The file of a task's rows that an earlier task's model writes, beside its run's folder. */
export function generatedRows(run: string): string {
  return `${run}.generated.jsonl`;
}

export interface GenerateRowsOptions {
  /** The model that answers, and the recipe that it was trained by. */
  readonly by: { readonly path: string; readonly recipe: Recipe };
  readonly engine: Engine;
  readonly roots: readonly string[];
  readonly onPhase?: OnPhase | undefined;
}

/**
 * Has an earlier task's model write the rows of a task, as `tunesmith generate --data` does: stopped, it goes on after the last whole batch, and
 * what is there from the same model, prompts and settings is not made again. Rows that a run has begun with stay.
 */
export async function generateRows(
  run: string,
  { by: _, prompts, samples, batchSize, correctOnly, ...generation }: NonNullable<SequenceTask['generate']>,
  { by, engine, roots, onPhase }: GenerateRowsOptions,
): Promise<GeneratedData> {
  const output = generatedRows(run);
  const kept = existsSync(runPaths(run).recipe) ? await readGenerated(output) : null;
  if (kept !== null) return kept;
  const { template, promptLossWeight, trainOnHistory, longText, packing, shuffle } = by.recipe.data;
  const teacher = await openModel({
    model: { path: by.path, dtype: by.recipe.model.dtype },
    ...{ device: by.recipe.device, engine, lookup: { roots } },
  });
  try {
    return await generateData(teacher, {
      data: {
        ...{ train: [...prompts], promptLossWeight, trainOnHistory, longText, packing, shuffle },
        ...(template !== undefined && { template }),
      },
      ...{ output, adapters: [], cacheFolder: engine.cacheFolder, samples, batchSize, correctOnly, generation },
      ...(onPhase && { onPhase }),
    });
  } finally {
    teacher.dispose();
  }
}
