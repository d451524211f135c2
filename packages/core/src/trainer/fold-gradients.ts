import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Row } from '../objective/row.js';
import type { ExecutableCache } from './executable-cache.js';
import { inputNames } from './program-names.js';
import { foldProgram } from './programs.js';
import type { TrainerOptions } from './trainer.js';
import type { TrainingPlan } from './training-plan.js';

/** Runs a `gradients` stage over the training data's first rows, one at a time. False where the signal ended it early. */
export async function foldGradients(
  { objective, rows, maxLength, padToken, seed }: TrainerOptions,
  plan: TrainingPlan,
  executables: ExecutableCache,
  count: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  let done = 0;
  for await (const { row } of rows.read(null)) {
    if (signal?.aborted === true) return false;
    await foldRow(row, done);
    if (++done === count) break;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return true;

  async function foldRow(row: Row, index: number): Promise<void> {
    const batch = objective.collate([row], { rows: 1, maxLength, padToken });
    const scales = Object.entries(batch.normalizers).map(([per, total]) => {
      if (total > 0) return [inputNames.scale(per), { dtype: 'float32', shape: [], data: Float32Array.of(1 / total) }];
      throw new TunesmithError('DATA_INVALID', 'a row has no token with a loss weight', { where: `row ${index + 1}` });
    });
    const executable = await executables.get(foldProgram(plan, batch));
    await executable.run(
      { ...batch.columns, ...Object.fromEntries(scales) },
      { random: { seed, step: 0, firstRow: index } },
    );
  }
}
