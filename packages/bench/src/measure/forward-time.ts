import { evaluate, type Row } from '@tunesmith/core';
import { createObjective, type LoadedModel } from '@tunesmith/runtime';
import { type Split, withSplit } from './open-split.js';

/** Rows that are run: enough to be timed, few enough to be quick. */
const mostRows = 64;

/** Seconds of a forward pass and its loss per thousand tokens of a split's first rows, the programs being compiled. */
export async function forwardTime(loaded: LoadedModel, split: Split): Promise<number> {
  const { model, parameters, tokenizer } = loaded;
  return withSplit(loaded, split, async ({ rows: all, executables, collate }) => {
    const rows: Row[] = [];
    for await (const row of all.rows()) if (rows.push(row) === mostRows) break;
    const tokens = rows.reduce((sum, row) => sum + row.tokens.length, 0);
    const objective = createObjective(split.objective, tokenizer, split.objectives);
    const parts = { model, parameters, objective, executables, collate };
    await evaluate(rows, parts);
    const started = performance.now();
    await evaluate(rows, parts);
    return (performance.now() - started) / tokens;
  });
}
