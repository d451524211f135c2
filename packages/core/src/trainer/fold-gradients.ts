import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Objective, OwnLabels } from '../objective/objective.js';
import type { Row } from '../objective/row.js';
import { collateRows } from '../objective/virtual-tokens.js';
import type { HostTensor } from '../program/backend.js';
import type { Named } from '../tensor/tfjs.js';
import { inputsOf, objectiveControls } from './controls.js';
import type { ExecutableCache } from './executable-cache.js';
import { normalizerScales } from './normalizer-scales.js';
import { inputNames } from './program-names.js';
import { foldProgram } from './programs.js';
import type { PlannedStage } from './stages.js';
import type { TrainerOptions } from './trainer.js';
import type { TrainingPlan } from './training-plan.js';

/**
 * Runs a `gradients` stage over the first rows of the training data or of earlier tasks, one at a time and none twice. False where
 * the signal ended it early.
 * @throws CAPABILITY_MISSING for an objective whose rows cannot be computed apart
 */
export async function foldGradients(
  { model, objective, rows: training, earlier, steps, maxLength, padToken, seed }: TrainerOptions,
  plan: TrainingPlan,
  executables: ExecutableCache,
  stage: PlannedStage,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  checkRowsAlone(objective, stage);
  const ownLabels = stage.labels === 'model' ? ownLabelsOf(objective, stage) : undefined;
  const rows = stage.rows === 'earlier' ? (earlier ?? noneEarlier(stage)) : training;
  const count = Math.min(stage.length ?? 0, rows.length ?? Number.POSITIVE_INFINITY);
  let done = 0;
  for await (const { row } of rows.read(null)) {
    if (signal?.aborted === true) return false;
    await foldRow(row, done);
    if (++done >= count) break;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return true;

  async function foldRow(row: Row, index: number): Promise<void> {
    const random = { seed, step: 0, firstRow: index * (objective.rowsEach ?? 1) };
    const batch = collateRows(model, objective, [row], { rows: 1, maxLength, padToken, random });
    const scales = normalizerScales(batch.normalizers, { what: 'row', where: `row ${index + 1}` });
    const controls = inputsOf(objectiveControls(plan), { step: 0, steps }, {});
    const inputs: Named<HostTensor> = { ...batch.columns, ...scales, ...controls };
    const executable = await executables.get(foldProgram(plan, batch, ownLabels));
    for (let label = 0; label < (ownLabels?.count ?? 1); label++) {
      if (ownLabels !== undefined) inputs[inputNames.label] = { dtype: 'int32', shape: [], data: Int32Array.of(label) };
      await executable.run(inputs, { random });
    }
  }
}

function checkRowsAlone({ name, coupled }: Objective, { name: stage }: PlannedStage): void {
  if (coupled === undefined) return;
  throw new TunesmithError('CAPABILITY_MISSING', `"${name}" has no gradient of a row alone: ${coupled}`, {
    where: `stage ${stage}`,
    hint: 'Take a method that does not measure rows one by one, or another objective.',
  });
}

function ownLabelsOf({ name, ownLabels }: Objective, { name: stage }: PlannedStage): OwnLabels {
  if (ownLabels !== undefined) return ownLabels;
  throw new TunesmithError('CAPABILITY_MISSING', `"${name}" gives no distribution over labels to take them from`, {
    where: `stage ${stage}`,
    hint: 'Take the labels of the data.',
  });
}

function noneEarlier({ name: stage }: PlannedStage): never {
  throw new TunesmithError('CONFIG_INVALID', 'a method needs the rows of earlier tasks, and there are none', {
    where: `stage ${stage}`,
    hint: 'Name them in data.earlier.',
  });
}
