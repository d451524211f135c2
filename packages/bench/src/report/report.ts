import type { PeftResult, TrialResult } from '../store/result-file.js';
import type { Cell } from '../suite/cells.js';
import type { Suite } from '../suite/suite-schema.js';
import { taskNamesOf } from '../task/resolve-tasks.js';
import { shuffledName } from '../task/shuffle-labels.js';
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
  /** What it says of itself, where it is not of trials. */
  readonly words?: ReportWords;
}

/** What stands on a report in place of what is said of trials. */
export interface ReportWords {
  /** Where and by what the numbers were made. */
  readonly surroundings: string;
  /** What a row is, in the singular and as a heading. */
  readonly row: readonly [string, string];
}

export interface ReportOptions {
  readonly results: readonly TrialResult[];
  /** Of PEFT's method comparison, beside them. */
  readonly imported?: readonly PeftResult[];
  /** Only its cells and their controls are in, and money is at its prices; without it everything, and no money. */
  readonly suite?: Pick<Suite, 'models' | 'tasks' | 'methods' | 'budgets' | 'prices'>;
  readonly now?: Date;
}

export function createReport({ results: all, imported = [], suite, now = new Date() }: ReportOptions): Report {
  const results = suite === undefined ? all : all.filter(({ trial: { cell } }) => hasCell(suite, cell));
  const prices = suite?.prices ?? {};
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

/** A result may have been made for another suite: it is the same trial. */
function hasCell(suite: NonNullable<ReportOptions['suite']>, { model, task, method, budget }: Cell): boolean {
  const isTask = taskNamesOf(suite).some((name) => name === task || shuffledName(name) === task);
  return isTask && model in suite.models && method in suite.methods && budget in suite.budgets;
}
