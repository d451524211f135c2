import type { PeftResult, TrialResult } from '../store/result-file.js';
import { type Board, boardsOf } from './board.js';
import { type CellSummary, type Prices, summarise } from './summarise.js';
import { summarisePeft } from './summarise-peft.js';

/** Everything that a report shows, before it is drawn. */
export interface Report {
  readonly made: Date;
  readonly boards: readonly Board[];
  readonly machines: readonly string[];
  readonly commits: readonly string[];
  /** Trials that have a result, failures among them. */
  readonly trials: number;
  readonly prices: Prices;
}

export interface ReportOptions {
  readonly results: readonly TrialResult[];
  /** Of PEFT's method comparison, beside them. */
  readonly imported?: readonly PeftResult[];
  /** Without a price there is no money. */
  readonly prices?: Prices;
  readonly now?: Date;
}

export function createReport({ results, imported = [], prices = {}, now = new Date() }: ReportOptions): Report {
  const summaries = [...summarise(results, prices), ...summarisePeft(imported)];
  const distinct = (of: (summary: CellSummary) => readonly string[]): string[] =>
    [...new Set(summaries.flatMap(of))].sort();
  return {
    made: now,
    boards: boardsOf(summaries),
    machines: distinct(({ machines }) => machines),
    commits: distinct(({ commits }) => commits),
    trials: results.length + imported.length,
    prices,
  };
}
