import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Predictions } from '../objective/objective.js';
import type { Row } from '../objective/row.js';
import { collateRows } from '../objective/virtual-tokens.js';
import type { HostTensor } from '../program/backend.js';
import type { EvaluateOptions } from './evaluate.js';
import { outputNames } from './program-names.js';
import { rowProgram } from './programs.js';
import { inGroups, rowValues } from './row-groups.js';

type Rows = AsyncIterable<Row> | Iterable<Row>;

/**
 * What the objective predicts for each of the rows, in their order, without dropout: a classifier's logits. The rows need
 * not say what is right.
 * @throws CAPABILITY_MISSING for an objective that predicts nothing of a row as a whole
 */
export function predict(rows: Rows, options: EvaluateOptions): AsyncGenerator<Float32Array, void, void> {
  const { name, predictions } = options.objective;
  if (predictions !== undefined) return eachRow(rows, options, 'predict', predictions.predict, { predicting: true });
  throw new TunesmithError('CAPABILITY_MISSING', `the objective ${name} predicts nothing of a whole row`, {
    hint: 'Use one that does, such as classification.',
  });
}

/**
 * What the objective needs to know of each row before training, in their order: a reference's log-probabilities.
 * @throws CAPABILITY_MISSING for an objective that needs nothing
 */
export function computePriors(rows: Rows, options: EvaluateOptions): AsyncGenerator<Float32Array, void, void> {
  const { name, prior } = options.objective;
  if (prior !== undefined) return eachRow(rows, options, 'prior', prior.compute, { untrained: true });
  throw new TunesmithError('CAPABILITY_MISSING', `the objective ${name} needs no pass over the data before training`);
}

async function* eachRow(
  rows: Rows,
  { model, parameters, objective, executables, collate, adapters = [] }: EvaluateOptions,
  name: string,
  compute: Predictions['predict'],
  { predicting = false, untrained = false }: { readonly predicting?: boolean; readonly untrained?: boolean },
): AsyncGenerator<Float32Array, void, void> {
  const plan = { model, parameters, objective, gradientCheckpointing: false, adapters };
  const under = model.under(adapters);
  for await (const group of inGroups(rows, collate.rows)) {
    const batch = collateRows(under, objective, group, { ...collate, predicting });
    const executable = await executables.get(rowProgram(plan, name, compute, batch, untrained));
    const { [outputNames.predictions]: values } = await executable.run(batch.columns);
    yield* rowValues(values as HostTensor, group.length);
  }
}
