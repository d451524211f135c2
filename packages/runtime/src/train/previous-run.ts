import { latestCheckpoint, readCheckpoint } from '@tunesmith/checkpoints';
import { type TrainerOptions, TunesmithError } from '@tunesmith/core';
import type { Recipe } from '../recipe/recipe.js';
import { runPaths } from '../run/run-folder.js';

/** The tensors of the newest checkpoint of the run before, which is read when the first is asked for; undefined where there is none before. */
export function previousRun({ previous }: Pick<Recipe, 'previous'>): TrainerOptions['previous'] {
  if (previous === undefined) return undefined;
  let opened: ReturnType<typeof readNewest> | undefined;
  return async (name) => {
    opened ??= readNewest(previous);
    const found = (await opened).tensors[name];
    return found === undefined ? undefined : Float32Array.from(found.values);
  };
}

async function readNewest(run: string) {
  const path = await latestCheckpoint(runPaths(run).checkpoints);
  if (path !== undefined) return readCheckpoint(path);
  throw new TunesmithError('FILE_MISSING', 'the run before has no checkpoint', {
    ...{ where: run, expected: 'the folder of a run that has come to its end' },
  });
}
