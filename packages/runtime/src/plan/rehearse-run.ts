import { type Backend, type Model, type Objective, startTrainingDryRun, type TrainingEstimate } from '@tunesmith/core';
import type { Tokenizer } from '@tunesmith/data';
import { heldDtype, type LoadedModel } from '../model/load-model.js';
import type { OpenBase } from '../model/open-base.js';
import type { Recipe } from '../recipe/recipe.js';
import { evaluateUntrained } from '../train/evaluate-untrained.js';
import type { RunData } from '../train/open-data.js';
import { openTrainer } from '../train/open-run.js';
import { dataWithPriors } from '../train/row-priors.js';

export interface Rehearsal {
  readonly recipe: Recipe;
  readonly model: Model;
  readonly objective: Objective;
  readonly folder: OpenBase;
  readonly tokenizer: Tokenizer;
  readonly backend: Backend;
  readonly data: RunData;
  readonly maxLength: number;
  readonly steps: number;
}

export interface Rehearsed {
  readonly estimate: TrainingEstimate;
  /** Matrix products of one evaluation, samples included; 0 without held-out data. */
  readonly flopsPerEvaluation: number;
}

/** Steps of a run without stages that are taken: enough to meet every shape that is not rare. */
const mostSteps = 2000;

/**
 * Takes a run's own course over its own rows, with shapes for tensors: the evaluation before it, its steps, an evaluation
 * and samples after them. What its programs and tensors would need at the most is what the run needs. What stops early
 * needs no more than what does not.
 * @throws CAPABILITY_MISSING for a backend that cannot estimate
 */
export async function rehearseRun(rehearsal: Rehearsal): Promise<Rehearsed> {
  const { recipe, model, objective, folder, tokenizer, backend, maxLength, steps } = rehearsal;
  const dtype = heldDtype(recipe.model.dtype, folder);
  const dry = startTrainingDryRun(model, backend, () => dtype);
  const loaded: LoadedModel = {
    ...{ model, tokenizer, parameters: dry.parameters, backend: dry.backend },
    ...{ path: folder.path, config: folder.config, vocabularyBefore: null },
    quantization: recipe.model.quantization ?? null,
    storedDtype: () => 'F32',
    dispose: () => dry.parameters.tensors.dispose(),
  };
  const { batchSize } = recipe.trainer;
  const data = await dataWithPriors(rehearsal.data, { loaded, objective, batchSize, maxLength });
  const isStaged = model.methods.some(({ stages }) => stages !== undefined);
  const taken = isStaged ? steps : Math.min(steps, mostSteps);
  // A stage's evaluations come beside its own steps. Without stages, every evaluation has the same programs as the last.
  const { earlyStopping: _, ...trainerSettings } = recipe.trainer;
  const evaluateEvery = isStaged ? recipe.trainer.evaluateEvery : taken;
  const settings = { ...recipe, trainer: { ...trainerSettings, evaluateEvery } };
  const trainer = await openTrainer({ recipe: settings, loaded, objective, data, maxLength, steps }, {});
  try {
    if (data.validation !== null)
      await evaluateUntrained({ recipe: settings, loaded, objective, maxLength }, data.validation);
    const flopsPerEvaluation = dry.flops();
    const enough = new AbortController();
    let seen = flopsPerEvaluation;
    let trained = 0;
    for await (const event of trainer.run({ signal: enough.signal })) {
      if (event.type === 'step') trained += dry.flops() - seen;
      seen = dry.flops();
      const isLast = event.type === (data.validation === null ? 'step' : 'evaluate') && event.step === taken;
      if (isLast) enough.abort();
    }
    return { estimate: dry.estimate(trained / taken, trainer.plan), flopsPerEvaluation };
  } finally {
    await trainer.dispose();
    loaded.dispose();
  }
}
