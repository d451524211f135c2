import { shareBest } from '../compare/bootstrap.js';
import { type Board, qualityOf } from '../report/board.js';
import type { CellSummary } from '../report/summarise.js';

/** What there is to spend on training; no bound where it is not said. */
export interface Limits {
  readonly memoryBytes?: number;
  readonly seconds?: number;
}

export interface Advice {
  readonly board: Board;
  /** The best method within the limits; null where none was measured to stay within them. */
  readonly best: CellSummary | null;
  /** Within the limits as well, the next best first. */
  readonly others: readonly CellSummary[];
  /** How likely the best one is the best of them, going by its seeds; null where too few ran to say. */
  readonly confidence: number | null;
  /** Left out, and why. */
  readonly leftOut: readonly { readonly row: CellSummary; readonly reason: string }[];
}

/**
 * The method of a board that reached most within limits. A cost counts with its interval's upper end, and a method whose cost
 * was not measured is left out where that cost has a limit.
 */
export function advise(board: Board, { memoryBytes, seconds }: Limits): Advice {
  const leftOut: { row: CellSummary; reason: string }[] = [];
  const within = board.rows.filter((row) => {
    const reason =
      (row.values.quality === undefined && 'it has no result') ||
      overLimit(row, 'peakBytes', memoryBytes, 'memory') ||
      overLimit(row, 'trainSeconds', seconds, 'time');
    if (reason) leftOut.push({ row, reason });
    return !reason;
  });
  const [best = null, ...others] = within.toSorted((a, b) => qualityOf(b) - qualityOf(a));
  return { board, best, others, confidence: best && confidenceIn(best, others), leftOut };
}

function overLimit(row: CellSummary, measure: string, limit: number | undefined, name: string): string | false {
  if (limit === undefined) return false;
  const spread = row.values[measure];
  if (spread === undefined) return `its ${name} was not measured`;
  return spread.mean + (spread.half ?? 0) > limit && `it takes more ${name}`;
}

function confidenceIn(best: CellSummary, others: readonly CellSummary[]): number | null {
  const seedsOf = ({ values, metric }: CellSummary): number[] =>
    (values.quality?.values ?? []).map((value) => (metric.higherIsBetter ? value : -value));
  return shareBest(seedsOf(best), others.map(seedsOf));
}
