import type { TopLevelSpec } from 'vega-lite';
import type { Board } from '../report/board.js';

/** Learning curves: a small picture a method, a line a seed, all on the same axes. Null where nothing was evaluated. */
export function curvesChart({ rows, title }: Board): TopLevelSpec | null {
  const values = rows.flatMap(({ cell, curves }) =>
    curves.flatMap(({ seed, points }) => points.map((point) => ({ method: cell.method, seed, ...point }))),
  );
  const label = rows.flatMap(({ curves }) => curves)[0]?.label;
  if (values.length === 0 || label === undefined) return null;
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: `${title}: ${label} on the validation split while training`,
    data: { values },
    facet: { field: 'method', type: 'nominal', title: null, sort: rows.map(({ cell }) => cell.method) },
    columns: 5,
    spec: {
      ...{ width: 130, height: 80 },
      mark: { type: 'line', color: '#3b82c4', strokeWidth: 1.2, opacity: 0.8, point: { size: 12, color: '#3b82c4' } },
      encoding: {
        x: { field: 'step', type: 'quantitative', title: 'step', axis: { tickCount: 3 } },
        y: { field: 'value', type: 'quantitative', title: label, scale: { zero: false }, axis: { tickCount: 3 } },
        detail: { field: 'seed', type: 'nominal' },
      },
    },
  };
}
