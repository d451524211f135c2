import { createExecutableCache, evaluate, type Row } from '@tunesmith/core';
import { createObjective, type LoadedModel, maxLengthOf, openData } from '@tunesmith/runtime';
import type { EvaluateSplitOptions } from './evaluate-split.js';

/** Rows that are run: enough to be timed, few enough to be quick. */
const mostRows = 64;

/** Seconds of a forward pass and its loss per thousand tokens of a split's first rows, the programs being compiled. */
export async function forwardTime(
  { model, parameters, backend, tokenizer }: LoadedModel,
  { file, data, objective, batchSize, cacheFolder }: EvaluateSplitOptions,
): Promise<number> {
  const maxLength = maxLengthOf(data, model.shape);
  const { validation: _, ...read } = data;
  const { train } = await openData(
    { ...read, train: file, shuffle: false, packing: false },
    { tokenizer, maxLength, seed: 0, objective, cacheFolder },
  );
  const rows: Row[] = [];
  for await (const row of train.rows()) if (rows.push(row) === mostRows) break;
  const tokens = rows.reduce((sum, row) => sum + row.tokens.length, 0);
  const executables = createExecutableCache(backend, parameters.tensors);
  const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
  const parts = { model, parameters, objective: createObjective(objective, tokenizer), executables, collate };
  try {
    await evaluate(rows, parts);
    const started = performance.now();
    await evaluate(rows, parts);
    return (performance.now() - started) / tokens;
  } finally {
    await executables.dispose();
  }
}
