import { groupBy } from '../report/group-by.js';
import { type Measure, measures, qualityMeasure, type Unit } from '../report/measures.js';
import { newestTrials, seedsOf } from '../report/newest-trials.js';
import type { TrialResult } from '../store/result-file.js';
import { type Cell, cellName } from '../suite/cells.js';
import { type BySeed, bootstrapDifference, type Difference } from './bootstrap.js';

/** Where one side differs from the other: one measure of one cell. */
export interface Change {
  readonly cell: Cell;
  readonly measure: string;
  readonly label: string;
  readonly unit: Unit;
  readonly before: number;
  readonly after: number;
  /** Null where a side has fewer than two values: it may be noise. */
  readonly difference: Difference | null;
  /** `unknown` where nothing says how much is noise. */
  readonly verdict: 'better' | 'worse' | 'same' | 'unknown';
}

export interface Comparison {
  readonly changes: readonly Change[];
  /** Cells that a side alone has a result of. */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
}

/** What is compared beside the task's metric; what `plan` says and the base's own speed are no doing of a method. */
const compared = ['forgetting', 'secondsPerStep', 'peakBytes', 'adapterBytes', 'inference', 'mergedInference'];

/**
 * Two sets of results, cell by cell. A measure is worse or better where the 95 % interval of its difference leaves out zero
 * and the difference is more than `gate` of what it was before.
 */
export function compareResults(
  before: readonly TrialResult[],
  after: readonly TrialResult[],
  gate: number,
): Comparison {
  const [first, second] = [cellsOf(before), cellsOf(after)];
  const changes = [...first].flatMap(([name, trials]) => {
    const others = second.get(name);
    return others === undefined ? [] : compareCell(trials, others, gate);
  });
  return {
    changes,
    onlyBefore: [...first.keys()].filter((name) => !second.has(name)),
    onlyAfter: [...second.keys()].filter((name) => !first.has(name)),
  };
}

/** Cells with a result. A cell all of whose trials failed has none: it is missing from its side. */
function cellsOf(results: readonly TrialResult[]): Map<string, TrialResult[]> {
  const cells = groupBy(results, ({ trial }) => cellName(trial.cell)).map((ofCell) => newestTrials(ofCell));
  const done = cells.filter((trials) => seedsOf(trials).some(({ trial }) => trial.outcome.status === 'success'));
  return new Map(done.map((trials) => [cellName((trials[0] as TrialResult).trial.cell), trials]));
}

function compareCell(before: readonly TrialResult[], after: readonly TrialResult[], gate: number): Change[] {
  const { cell, task } = (after[0] as TrialResult).trial;
  const chosen = measures.filter(({ name }) => compared.includes(name));
  return [qualityMeasure(task), ...chosen].flatMap((measure): Change[] => {
    const [a, b] = [bySeed(measure, before), bySeed(measure, after)];
    if (a.size === 0 || b.size === 0) return [];
    const difference = bootstrapDifference(a, b);
    const { name, label, unit } = measure;
    const [was, is] = [meanOf(a), meanOf(b)];
    const verdict = verdictOf(measure, difference, Math.abs(was) * gate);
    return [{ cell, measure: name, label, unit, before: was, after: is, difference, verdict }];
  });
}

function verdictOf({ higherIsBetter }: Measure, difference: Difference | null, least: number): Change['verdict'] {
  if (difference === null) return 'unknown';
  const { low, high, mean } = difference;
  if ((low <= 0 && high >= 0) || Math.abs(mean) <= least) return 'same';
  return mean > 0 === higherIsBetter ? 'better' : 'worse';
}

function bySeed(measure: Measure, trials: readonly TrialResult[]): BySeed {
  return new Map(
    seedsOf(trials).flatMap(({ trial }): [number, number][] => {
      const { outcome, seed, alone } = trial;
      if (outcome.status === 'failed' || (measure.timed && !alone)) return [];
      const value = measure.of(outcome.measurement, trial);
      return value === null ? [] : [[seed, value]];
    }),
  );
}

function meanOf(values: BySeed): number {
  return [...values.values()].reduce((sum, value) => sum + value, 0) / values.size;
}
