import { TunesmithError } from '../errors/tunesmith-error.js';
import type { AdapterStack } from '../model/adapters.js';
import type { Model } from '../model/model.js';
import type { CollateOptions, Objective } from '../objective/objective.js';
import type { Row } from '../objective/row.js';
import { collateRows } from '../objective/virtual-tokens.js';
import type { ParameterStore } from '../parameters/parameter-store.js';
import type { ExecutableCache } from './executable-cache.js';
import { outputNames } from './program-names.js';
import { evaluationProgram } from './programs.js';
import { inGroups, rowValues } from './row-groups.js';

export interface Evaluation {
  /** The objective's loss over the whole split, normalised once. */
  readonly loss: number;
  /** e^loss; null where rows as a whole are predicted, rather than their tokens. */
  readonly perplexity: number | null;
  readonly rows: number;
  /** What the objective measures of its predictions, such as accuracy; none where it predicts nothing. */
  readonly metrics: Readonly<Record<string, number>>;
}

export interface EvaluateOptions {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly objective: Objective;
  readonly executables: ExecutableCache;
  readonly collate: CollateOptions;
  /** Those of the model's adapters that act, the first innermost; none if not said. */
  readonly adapters?: AdapterStack;
}

/** The loss over a finite split of rows, without dropout, and what the objective's predictions are worth. */
export async function evaluate(
  rows: AsyncIterable<Row> | Iterable<Row>,
  { model, parameters, objective, executables, collate, adapters = [] }: EvaluateOptions,
): Promise<Evaluation> {
  const sums = new Map<string, { sum: number; per: string; weight: number }>();
  const normalizers = new Map<string, number>();
  let count = 0;
  const measured: Row[] = [];
  const predicted: Float32Array[] = [];
  const plan = { model, parameters, objective, gradientCheckpointing: false, adapters };
  const under = model.under(adapters);
  for await (const group of inGroups(rows, collate.rows)) {
    const batch = collateRows(under, objective, group, collate);
    const program = evaluationProgram(plan, batch);
    const executable = await executables.get(program);
    const { [outputNames.predictions]: predictions, ...outputs } = await executable.run(batch.columns);
    if (predictions !== undefined) {
      measured.push(...group);
      predicted.push(...rowValues(predictions, group.length));
    }
    const [per] = Object.keys(batch.normalizers);
    for (const [name, { data }] of Object.entries(outputs)) {
      const entry = sums.get(name) ?? { sum: 0, per: per as string, weight: 1 };
      entry.sum += data[0] as number;
      sums.set(name, entry);
    }
    for (const [name, value] of Object.entries(batch.normalizers)) {
      normalizers.set(name, (normalizers.get(name) ?? 0) + value);
    }
    count += batch.rows;
  }
  const term = sums.get(outputNames.term('loss'));
  if (count === 0 || term === undefined) {
    throw new TunesmithError('DATA_INVALID', 'the evaluation split is empty', { expected: 'at least one row' });
  }
  const loss = term.sum / (normalizers.get(term.per) ?? Number.NaN);
  const metrics = objective.predictions?.measure(measured, predicted);
  return { loss, perplexity: metrics === undefined ? Math.exp(loss) : null, rows: count, metrics: metrics ?? {} };
}
