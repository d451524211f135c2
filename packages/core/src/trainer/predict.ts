import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Row } from '../objective/row.js';
import { collateRows } from '../objective/virtual-tokens.js';
import type { HostTensor } from '../program/backend.js';
import type { EvaluateOptions } from './evaluate.js';
import { outputNames } from './program-names.js';
import { predictionProgram } from './programs.js';
import { inGroups, rowValues } from './row-groups.js';

/**
 * What the objective predicts for each of the rows, in their order, without dropout: a classifier's logits. The rows need
 * not say what is right.
 * @throws CAPABILITY_MISSING for an objective that predicts nothing of a row as a whole
 */
export async function* predict(
  rows: AsyncIterable<Row> | Iterable<Row>,
  { model, parameters, objective, executables, collate, adapters = [] }: EvaluateOptions,
): AsyncGenerator<Float32Array, void, void> {
  const { predictions } = objective;
  if (predictions === undefined) {
    throw new TunesmithError('CAPABILITY_MISSING', `the objective ${objective.name} predicts nothing of a whole row`, {
      hint: 'Use one that does, such as classification.',
    });
  }
  const plan = { model, parameters, objective, gradientCheckpointing: false, adapters };
  const under = model.under(adapters);
  for await (const group of inGroups(rows, collate.rows)) {
    const batch = collateRows(under, objective, group, { ...collate, predicting: true });
    const executable = await executables.get(predictionProgram(plan, predictions, batch));
    const { [outputNames.predictions]: values } = await executable.run(batch.columns);
    yield* rowValues(values as HostTensor, group.length);
  }
}
