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
  const sums = new Map<string, number>();
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
    for (const [name, { data }] of Object.entries(outputs)) sums.set(name, (sums.get(name) ?? 0) + (data[0] as number));
    for (const [name, value] of Object.entries(batch.normalizers)) {
      normalizers.set(name, (normalizers.get(name) ?? 0) + value);
    }
    count += batch.rows;
  }
  if (count === 0) {
    throw new TunesmithError('DATA_INVALID', 'the evaluation split is empty', { expected: 'at least one row' });
  }
  const of = (wanted: 'loss' | 'part' | 'metric'): [string, number][] =>
    [...sums].flatMap(([output, sum]): [string, number][] => {
      const { kind, per, name } = outputNames.partsOfSum(output);
      const total = normalizers.get(per) ?? Number.NaN;
      // Of a split that has nothing of a term, there is nothing to say of it.
      return kind === wanted && (total !== 0 || kind === 'loss') ? [[name, sum / total]] : [];
    });
  const [named] = of('loss');
  const loss = named?.[1] ?? of('part').reduce((total, [, part]) => total + part, 0);
  const metrics = { ...objective.predictions?.measure(measured, predicted), ...Object.fromEntries(of('metric')) };
  const isOfTokens = objective.predictions === undefined && Object.keys(metrics).length === 0;
  return { loss, perplexity: isOfTokens ? Math.exp(loss) : null, rows: count, metrics };
}
