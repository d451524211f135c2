import { shuffledName } from '../task/shuffle-labels.js';
import type { TaskMetric } from '../task/task.js';
import { frontierOf, type Point } from './frontier.js';
import { groupBy } from './group-by.js';
import { costMeasures, type Measure, measures, type Unit } from './measures.js';
import type { CellSummary } from './summarise.js';

/** The cells that are compared with each other: all methods on one model, task and budget. */
export interface Board {
  readonly title: string;
  readonly model: string;
  readonly task: string;
  readonly budget: string;
  readonly metric: TaskMetric;
  readonly about: CellSummary['about'];
  /** The best first; those without a result last. */
  readonly rows: readonly CellSummary[];
  /** What of the gap between the base and the ceiling the best method closes; null without a result. */
  readonly separation: Separation | null;
  /** The same task with its labels shuffled; null where nothing ran on that. */
  readonly control: Board | null;
}

export interface Separation {
  readonly method: string;
  readonly value: number;
  /** 1 is the ceiling. */
  readonly share: number;
  /** The untrained base, or chance where that is better or the base has no head for the task. */
  readonly from: number;
}

/** Whether a task tells methods apart, and by what. */
export type Verdict = 'counts' | 'too hard' | 'learnt without labels' | 'unknown';

/** Of the gap from the untrained base to the ceiling, what the best method has to close, and shuffled labels may not. */
const leastShare = 0.5;

/** A task counts where the best method closes at least half of the gap, and no method does with shuffled labels. */
export function verdictOf({ separation, control }: Board): Verdict {
  if (separation === null) return 'unknown';
  if (separation.share < leastShare) return 'too hard';
  const shuffled = control?.separation;
  if (!shuffled) return 'unknown';
  return shuffled.share < leastShare ? 'counts' : 'learnt without labels';
}

/** A method on a board by one of its costs. */
export interface CostPoint extends Point {
  readonly row: CellSummary;
  readonly isOnFrontier: boolean;
}

/** Quality against one cost. */
export interface CostAxis {
  readonly name: string;
  readonly label: string;
  readonly unit: Unit;
  readonly points: readonly CostPoint[];
}

/** A board a model, task and budget. That of a task with its labels shuffled is part of the task's own, where there is one. */
export function boardsOf(summaries: readonly CellSummary[]): Board[] {
  const boards = allBoards(summaries);
  const controlOf = ({ model, task, budget }: Board): Board | undefined =>
    boards.find((other) => other.task === shuffledName(task) && other.model === model && other.budget === budget);
  const controls = new Set(boards.map(controlOf));
  return boards
    .filter((board) => !controls.has(board))
    .map((board) => ({ ...board, control: controlOf(board) ?? null }));
}

function allBoards(summaries: readonly CellSummary[]): Board[] {
  const groups = groupBy(summaries, ({ cell }) => [cell.model, cell.task, cell.budget].join('/'));
  return groups.map((rows) => {
    const { cell, metric, about } = rows[0] as CellSummary;
    const sorted = rows.toSorted((a, b) => qualityOf(b) - qualityOf(a));
    const { model, task, budget } = cell;
    const title = `${task}: ${model}, ${budget}`;
    return { title, model, task, budget, metric, about, rows: sorted, separation: separationOf(sorted), control: null };
  });
}

/** The mean of the task's metric, turned so that higher is better; −∞ without a result. */
export function qualityOf({ values, metric }: CellSummary): number {
  const { quality } = values;
  if (quality === undefined) return -Infinity;
  return metric.higherIsBetter ? quality.mean : -quality.mean;
}

/** The costs that anything of a board was measured by, each with its frontier. */
export function axesOf({ rows }: Board): CostAxis[] {
  return costMeasures
    .map((name) => measures.find((measure) => measure.name === name) as Measure)
    .map(({ name, label, unit }): CostAxis => {
      const points = rows.flatMap((row): Omit<CostPoint, 'isOnFrontier'>[] => {
        const cost = row.values[name];
        return cost === undefined || row.values.quality === undefined
          ? []
          : [{ row, cost: cost.mean, quality: qualityOf(row) }];
      });
      const frontier = new Set(frontierOf(points));
      return { name, label, unit, points: points.map((point) => ({ ...point, isOnFrontier: frontier.has(point) })) };
    })
    .filter(({ points }) => points.length > 0);
}

/** The points of a frontier by name, the cheapest first; what the chart shows, in words. */
export function frontierNames(points: readonly CostPoint[]): string[] {
  return points
    .filter(({ isOnFrontier }) => isOnFrontier)
    .sort((a, b) => a.cost - b.cost)
    .map(({ row }) => row.cell.method);
}

function separationOf([best]: readonly CellSummary[]): Separation | null {
  if (best?.values.quality === undefined) return null;
  const { untrained, metric, cell } = best;
  const starts = [untrained, metric.chance].filter((start) => start !== null);
  if (starts.length === 0) return null;
  const from = metric.higherIsBetter ? Math.max(...starts) : Math.min(...starts);
  const value = best.values.quality.mean;
  return { method: cell.method, value, share: (value - from) / (metric.ceiling - from), from };
}
