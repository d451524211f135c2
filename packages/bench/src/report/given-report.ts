import type { TaskMetric } from '../task/task.js';
import { qualityOf } from './board.js';
import type { Report, ReportWords } from './report.js';
import type { CellSummary, Prices } from './summarise.js';

/** Something that was measured once, elsewhere than in a trial. */
export interface GivenRow {
  readonly name: string;
  /** By the report's metric. */
  readonly quality: number;
  /** By the names of the bench's measures. */
  readonly values: Readonly<Record<string, number>>;
  readonly learningRate: number | null;
  readonly settings: unknown;
  /** What the validation split said while it trained. */
  readonly curve: readonly { readonly step: number; readonly value: number }[];
}

export interface GivenReport {
  readonly title: string;
  /** What was measured, in a sentence. */
  readonly summary: string;
  readonly metric: TaskMetric;
  readonly rows: readonly GivenRow[];
  readonly prices: Prices;
  readonly words: ReportWords;
  readonly now?: Date;
}

/** A report of one board whose rows were measured elsewhere than in trials of the bench, drawn as those are. */
export function givenReport({ title, summary, metric, rows, prices, words, now = new Date() }: GivenReport): Report {
  const cells = rows.map(({ name, quality, values, learningRate, settings, curve }): CellSummary => {
    const spreads = Object.entries({ quality, ...values }).map(([measure, value]) => [
      measure,
      { mean: value, half: null, values: [value] },
    ]);
    return {
      cell: { model: '', task: title, method: name, budget: '' },
      ...{ metric, learningRate, settings, seeds: 1, values: Object.fromEntries(spreads) },
      about: { summary, licence: '', source: '' },
      ...{ untrained: null, hasOwnHead: false, tried: [], isAtEdge: false, tuningSeconds: 0, failures: [] },
      curves: curve.length === 0 ? [] : [{ seed: 1, label: 'loss', points: curve }],
      ...{ machines: [], commits: [] },
    };
  });
  const board = {
    ...{ title, model: '', task: title, budget: '', metric, separation: null, control: null },
    about: { summary, licence: '', source: '' },
    rows: cells.toSorted((a, b) => qualityOf(b) - qualityOf(a)),
  };
  return { made: now, boards: [board], machines: [], commits: [], trials: rows.length, prices, words };
}
