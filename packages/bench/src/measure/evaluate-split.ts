import { computePriors, evaluate, type Row } from '@tunesmith/core';
import { createObjective, type LoadedModel } from '@tunesmith/runtime';
import type { Measurement } from '../trial/trial-result.js';
import { answers } from './answers.js';
import { type Split, withSplit } from './open-split.js';

/** What an objective has to know of a split's rows by the model as it was (`Row.prior`), in their order. */
export type SplitPriors = readonly Float32Array[] | null;

/** Asks a model that is as it was; null where the objective asks for nothing. */
export async function priorsOf(loaded: LoadedModel, split: Split): Promise<SplitPriors> {
  const { model, parameters, tokenizer } = loaded;
  const objective = createObjective(split.objective, tokenizer, split.objectives);
  if (objective.prior === undefined) return null;
  return withSplit(loaded, split, async ({ rows, executables, collate }) => {
    const priors: Float32Array[] = [];
    const parts = { model, parameters, objective, executables, collate };
    for await (const prior of computePriors(rows.rows(), parts)) priors.push(prior);
    return priors;
  });
}

/**
 * What a model is worth on a file: answers alone count, not the questions. The metrics are the objective's own, and of texts
 * `exactMatch`, `tokenAccuracy` and `bitsPerByte`.
 */
export async function evaluateSplit(
  loaded: LoadedModel,
  split: Split,
  priors: SplitPriors = null,
): Promise<Measurement['quality']['test']> {
  const { model, parameters, tokenizer } = loaded;
  const isText = split.objective.name === 'sft';
  return withSplit(loaded, split, async ({ rows, executables, collate }) => {
    let [weight, bytes, tokens, index] = [0, 0, 0, 0];
    async function* counted(): AsyncGenerator<Row> {
      for await (const row of rows.rows()) {
        const learnt = row.tokens.filter((_token, at) => at > 0 && row.weights[at] !== 0);
        tokens += row.tokens.length + (row.rejected?.tokens.length ?? 0);
        weight += row.weights.reduce((sum, each, at) => (at > 0 ? sum + each : sum), 0);
        bytes += Buffer.byteLength(tokenizer.decode(learnt));
        const prior = priors?.[index++];
        yield prior === undefined ? row : { ...row, prior };
      }
    }
    const objective = isText ? answers : createObjective(split.objective, tokenizer, split.objectives);
    const result = await evaluate(counted(), { model, parameters, objective, executables, collate });
    const bits = (result.loss * weight) / Math.LN2;
    const { loss, rows: count } = result;
    return { loss, rows: count, tokens, metrics: { ...result.metrics, ...(isText && { bitsPerByte: bits / bytes }) } };
  });
}
