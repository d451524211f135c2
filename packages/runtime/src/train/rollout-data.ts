import { createRolloutSource, type Objective } from '@tunesmith/core';
import type { Dataset } from '@tunesmith/data';
import type { OnWarning } from '../model/engine.js';
import type { LoadedModel } from '../model/load-model.js';
import type { RunData } from './open-data.js';
import type { OpenJudge } from './open-judge.js';

export interface RolloutDataOptions {
  readonly loaded: LoadedModel;
  readonly objective: Objective;
  readonly batchSize: number;
  readonly maxLength: number;
  readonly seed: number;
  /** The objective's judge, where it has one. */
  readonly judge?: OpenJudge['judge'] | undefined;
  readonly onWarning?: OnWarning | undefined;
}

/** A run's data as the trainer reads it, and what frees the programs that made it. */
export interface RolloutData {
  readonly data: RunData;
  dispose(): Promise<void>;
}

/**
 * A run's prompts as the answers of its model, where the objective learns from those: made when they are asked for. Other data stays
 * as it is.
 */
export function dataWithRollouts(data: RunData, options: RolloutDataOptions): RolloutData {
  if (options.objective.rollouts === undefined) return { data, dispose: async () => {} };
  const { train, validation } = data;
  const source = sourceOf(train, options);
  const { read, after } = source;
  const answered = { ...train, length: source.length as number, read: (position) => read(position), after } as Dataset;
  const held = validation && { ...validation, rows: () => source.evaluate(validation.rows()) };
  return { data: { ...data, train: answered, validation: held }, dispose: () => source.dispose() };
}

/** The rows of one split that a finished model is evaluated over, and what frees the programs that made them. */
export function evaluatedRows(split: Dataset, options: RolloutDataOptions) {
  const { objective } = options;
  if (objective.rollouts === undefined) return { rows: split.rows(), dispose: async () => {} };
  const rollouts = { ...objective.rollouts, ...objective.rollouts.evaluated };
  const source = sourceOf(split, { ...options, objective: { ...objective, rollouts } });
  return { rows: source.evaluate(split.rows()), dispose: () => source.dispose() };
}

function sourceOf(
  prompts: Dataset,
  { loaded, objective, batchSize, maxLength, seed, judge, onWarning }: RolloutDataOptions,
) {
  const { model, parameters, backend, tokenizer } = loaded;
  return createRolloutSource({
    ...{ model, parameters, backend, objective, prompts, batchSize, maxLength, seed },
    eosTokens: tokenizer.endIds,
    padToken: tokenizer.padId,
    text: (ids) => tokenizer.decode(ids, { skipSpecialTokens: true }),
    ...(judge && { judge }),
    ...(onWarning && { onWarning }),
  });
}

/** How many rows each row of the data becomes before a run has gone through it once. */
export function rowsEachOf({ rollouts }: Objective): number {
  return rollouts === undefined ? 1 : rollouts.answersEach * rollouts.epochs;
}
