import type { Rollouts } from '../objective/rollouts.js';
import type { Row } from '../objective/row.js';
import { collateRows } from '../objective/virtual-tokens.js';
import type { HostTensor } from '../program/backend.js';
import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import type { ExecutableCache } from './executable-cache.js';
import { outputNames } from './program-names.js';
import { rowProgram } from './programs.js';
import type { RolloutSourceOptions } from './rollout-source.js';
import { inGroups, rowValues } from './row-groups.js';

/** What an objective measures of each token of answers, by the model as it is. */
export async function measureAnswers(
  { model, parameters, objective, padToken, maxLength, batchSize }: RolloutSourceOptions,
  executables: ExecutableCache,
  rollouts: Pick<Rollouts, 'measured' | 'measure'>,
  rows: readonly Row[],
): Promise<Named<Float32Array>[]> {
  const { measured: names } = rollouts;
  const plan = { model, parameters, objective, gradientCheckpointing: false };
  const measured: Named<Float32Array>[] = [];
  const compute = (...args: Parameters<Rollouts['measure']>): Tensor => {
    const each = rollouts.measure(...args);
    return tf.concat(
      names.map((name) => each[name] as Tensor),
      1,
    ); // [rows, names · tokens]
  };
  for await (const group of inGroups(rows, batchSize)) {
    const batch = collateRows(model, objective, group, { rows: batchSize, maxLength, padToken });
    const executable = await executables.get(rowProgram(plan, 'measure', compute, batch));
    const { [outputNames.predictions]: values } = await executable.run(batch.columns);
    for (const [index, all] of rowValues(values as HostTensor, group.length).entries()) {
      const length = (group[index] as Row).weights.reduce((sum, weight) => sum + (weight > 0 ? 1 : 0), 0);
      const width = all.length / names.length;
      measured.push(Object.fromEntries(names.map((name, at) => [name, all.slice(at * width, at * width + length)])));
    }
  }
  return measured;
}
