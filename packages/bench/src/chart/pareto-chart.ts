import type { TopLevelSpec } from 'vega-lite';
import type { Board, CostAxis } from '../report/board.js';
import { scaleOf } from '../report/format-value.js';
import { placeLabels } from './place-labels.js';

const [width, height] = [400, 240];

/** Quality against one cost: a mark a method with the 95 % interval of its quality, the frontier as a line of steps. */
export function paretoChart({ metric, title }: Board, { label, unit, points }: CostAxis): TopLevelSpec {
  const costs = points.map(({ cost }) => cost);
  const { factor, suffix } = scaleOf(Math.max(...costs.map(Math.abs)), unit);
  const isLog = Math.min(...costs) > 0 && Math.max(...costs) / Math.min(...costs) > 20;
  const rows = points
    .toSorted((a, b) => Number(b.isOnFrontier) - Number(a.isOnFrontier))
    .map((point) => {
      const { quality } = point.row.values;
      const [x, y] = [point.cost * factor, quality?.mean as number];
      const yHalf = quality?.half ?? 0;
      const isOnFrontier = point.isOnFrontier;
      return { method: point.row.cell.method, x, y, low: y - yHalf, high: y + yHalf, isOnFrontier };
    });
  const xs = rangeOf(
    rows.map(({ x }) => x),
    isLog,
  );
  const ys = rangeOf(
    rows.flatMap(({ low, high }) => [low, high]),
    false,
  );
  const places = placeLabels(
    rows.map(({ x, y, method, isOnFrontier }) => ({ x: xs.to(x), y: ys.to(y), text: method, hasLine: isOnFrontier })),
    width,
    height,
  );
  const labels = rows.flatMap(({ method, isOnFrontier }, index) => {
    const place = places[index];
    return place ? [{ method, isOnFrontier, x: xs.from(place.x), y: ys.from(place.y) }] : [];
  });
  const scale = { type: isLog ? ('log' as const) : ('linear' as const), domain: xs.domain, nice: false };
  const x = {
    field: 'x',
    type: 'quantitative',
    title: `${label}${suffix && `,${suffix}`}`,
    scale,
    axis: { grid: !isLog },
  } as const;
  const yScale = { domain: ys.domain, nice: false };
  const y = { field: 'y', type: 'quantitative', title: metric.name, scale: yScale } as const;
  const color = {
    condition: { test: 'datum.isOnFrontier', value: '#d9730d' },
    value: '#7d8793',
  } as const;
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: `${title}: ${metric.name} against ${label}`,
    ...{ width, height },
    layer: [
      {
        data: { values: rows.filter(({ isOnFrontier }) => isOnFrontier) },
        mark: { type: 'line', interpolate: 'step-after', color: '#d9730d', opacity: 0.6 },
        encoding: { x, y },
      },
      {
        data: { values: rows },
        mark: { type: 'rule', strokeWidth: 1.5, opacity: 0.6 },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
      },
      {
        data: { values: rows },
        mark: { type: 'point', filled: true, size: 40, opacity: 1 },
        encoding: { x, y, color },
      },
      {
        data: { values: labels },
        mark: { type: 'text', align: 'left', baseline: 'middle', fontSize: 10 },
        encoding: { x, y, text: { field: 'method' }, color },
      },
    ],
  };
}

interface Range {
  readonly domain: [number, number];
  /** To a share of the axis, and from it. */
  to(value: number): number;
  from(share: number): number;
}

/** Some room around all values. */
function rangeOf(values: readonly number[], isLog: boolean): Range {
  const [in_, out] = isLog ? [Math.log10, (value: number) => 10 ** value] : [Number, Number];
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => in_(value)) as [number, number];
  const room = (most - least || Math.abs(most) || 1) * 0.12;
  const [low, high] = [least - room, most + room];
  return {
    domain: [out(low), out(high)],
    to: (value) => (in_(value) - low) / (high - low),
    from: (share) => out(low + share * (high - low)),
  };
}
