import type { Batch, CollateOptions, HostTensor, Objective, Row } from '@tunesmith/core';

/**
 * A batch of a classification in which rows without labels, the target domain's, have a part in training: `rowWeights` is 0 for them.
 * Beside its columns `source` and `target`, float32 `[rows]`, 1 for a row of that domain.
 */
export function collateDomains(
  classification: Pick<Objective, 'collate'>,
  rows: readonly Row[],
  options: CollateOptions,
): Batch {
  // What is evaluated has labels, or is refused.
  if (options.random === undefined) return classification.collate(rows, options);
  const batch = classification.collate(rows, { ...options, predicting: true });
  const flags = (isOf: (row: Row) => boolean): HostTensor => {
    const data = new Float32Array(options.rows);
    for (const [index, row] of rows.entries()) data[index] = isOf(row) ? 1 : 0;
    return { dtype: 'float32', shape: [options.rows], data };
  };
  const labelled = rows.filter(({ labels }) => labels !== undefined).length;
  return {
    ...batch,
    columns: {
      ...batch.columns,
      source: flags(({ labels }) => labels !== undefined),
      target: flags(({ labels }) => labels === undefined),
    },
    normalizers: { rows: labelled, targetRows: rows.length - labelled, allRows: rows.length },
  };
}
