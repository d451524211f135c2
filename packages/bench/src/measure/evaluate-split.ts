import { createExecutableCache, evaluate, type Row } from '@tunesmith/core';
import { createObjective, type LoadedModel, maxLengthOf, openData, type Recipe } from '@tunesmith/runtime';
import type { Measurement } from '../trial/trial-result.js';
import { answers } from './answers.js';

export interface EvaluateSplitOptions {
  readonly file: string;
  readonly data: Recipe['data'];
  readonly objective: Recipe['objective'];
  readonly batchSize: number;
  readonly cacheFolder: string;
}

/**
 * What a model is worth on a file: answers alone count, not the questions. The metrics are the objective's own, and of texts
 * `exactMatch`, `tokenAccuracy` and `bitsPerByte`.
 */
export async function evaluateSplit(
  { model, parameters, backend, tokenizer }: LoadedModel,
  { file, data, objective, batchSize, cacheFolder }: EvaluateSplitOptions,
): Promise<Measurement['quality']['test']> {
  const maxLength = maxLengthOf(data, model.shape);
  const isText = objective.name === 'sft';
  const { validation: _, ...read } = data;
  const { train: rows } = await openData(
    { ...read, train: file, shuffle: false, packing: false, promptLossWeight: 0 },
    { tokenizer, maxLength, seed: 0, objective, cacheFolder },
  );
  const executables = createExecutableCache(backend, parameters.tensors);
  let [weight, bytes, tokens] = [0, 0, 0];
  async function* counted(): AsyncGenerator<Row> {
    for await (const row of rows.rows()) {
      const learnt = row.tokens.filter((_token, index) => index > 0 && row.weights[index] !== 0);
      tokens += row.tokens.length;
      weight += row.weights.reduce((sum, each, index) => (index > 0 ? sum + each : sum), 0);
      bytes += Buffer.byteLength(tokenizer.decode(learnt));
      yield row;
    }
  }
  try {
    const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
    const measured = isText ? answers : createObjective(objective, tokenizer);
    const result = await evaluate(counted(), { model, parameters, objective: measured, executables, collate });
    const bits = (result.loss * weight) / Math.LN2;
    const { loss, rows: count } = result;
    return { loss, rows: count, tokens, metrics: { ...result.metrics, ...(isText && { bitsPerByte: bits / bytes }) } };
  } finally {
    await executables.dispose();
  }
}
