import type { LabelScheme } from '../format/label-scheme.js';

/** How often each label is given; of a regression, between what its targets lie. Plain JSON. */
export interface LabelHistogram {
  readonly counts: readonly { readonly label: string; readonly count: number }[];
  readonly targets: readonly {
    readonly label: string;
    readonly min: number;
    readonly mean: number;
    readonly max: number;
  }[];
}

/** Counts the labels of rows, as numbers by a scheme. */
export function labelHistogram({ problemType, names }: LabelScheme, rows: readonly Float32Array[]): LabelHistogram {
  if (problemType === 'regression') {
    const targets = names.map((label, index) => {
      const values = rows.map((row) => row[index] as number);
      const sum = values.reduce((total, value) => total + value, 0);
      const least = values.reduce((one, value) => Math.min(one, value), Number.POSITIVE_INFINITY);
      const most = values.reduce((one, value) => Math.max(one, value), Number.NEGATIVE_INFINITY);
      return { label, min: least, mean: sum / values.length, max: most };
    });
    return { counts: [], targets };
  }
  const counts = new Array<number>(names.length).fill(0);
  const count = (index: number, by: number): void => {
    counts[index] = (counts[index] as number) + by;
  };
  for (const row of rows) {
    if (problemType === 'single-label') count(row[0] as number, 1);
    else
      row.forEach((value, index) => {
        count(index, value);
      });
  }
  return { counts: names.map((label, index) => ({ label, count: counts[index] as number })), targets: [] };
}
