import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { canMerge, type Method } from '@tunesmith/core';
import { saveAdapter } from '../model/adapter-folder.js';
import type { OnPhase } from '../model/engine.js';
import { saveModel } from '../model/save-model.js';
import { runPaths } from '../run/run-folder.js';
import type { OpenRun } from './open-run.js';
import type { RunResult } from './run-result.js';

type Saved = Pick<RunResult, 'adapters' | 'mergeable' | 'model' | 'savedStep'>;

export const nothingSaved: Saved = { adapters: [], mergeable: false, model: null, savedStep: null };

/**
 * Saves what a finished run trained, from its best checkpoint where evaluation chose one: an adapter, or the whole model
 * where a method says that it saves one.
 */
export async function saveResult(run: OpenRun, lastStep: number, onPhase: OnPhase): Promise<Saved> {
  const { folder, recipe, loaded, methods, trainer, checkpoints } = run;
  const paths = runPaths(folder);
  const best = await checkpoints.best();
  if (best !== null && best.step !== lastStep) await trainer.restore(best);
  const step = best?.step ?? lastStep;
  onPhase(`saving the ${methods.some(isWholeModel) ? 'model' : 'adapter'} of step ${step}`);
  if (methods.some(isWholeModel)) {
    // Only a finished run that is continued has one here: the same model, saved again.
    await rm(paths.model, { recursive: true, force: true });
    await saveModel(loaded, paths.model, recipe.objective);
    return { adapters: [], mergeable: false, model: paths.model, savedStep: step };
  }
  const adapters: string[] = [];
  const saved = methods.filter(({ capabilities }) => !capabilities.leavesNothing);
  for (const method of saved) {
    const path = saved.length === 1 ? paths.adapter : join(paths.adapter, method.name);
    await saveAdapter(loaded, method, path, {
      base: recipe.model.name ?? loaded.path,
      ...(recipe.model.revision === undefined ? {} : { revision: recipe.model.revision }),
      step,
      objective: recipe.objective,
      ...(recipe.data.template === undefined ? {} : { template: recipe.data.template }),
    });
    adapters.push(path);
  }
  return { adapters, mergeable: canMerge(loaded.model), model: null, savedStep: step };
}

function isWholeModel({ capabilities }: Method): boolean {
  return capabilities.savesModel ?? false;
}
