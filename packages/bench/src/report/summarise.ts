import type { TrialResult } from '../store/result-file.js';
import { type Cell, cellName } from '../suite/cells.js';
import type { TaskMetric } from '../task/task.js';
import type { TrialFailure } from '../trial/trial-result.js';
import { groupBy } from './group-by.js';
import { type Measure, measures, qualityMeasure } from './measures.js';
import { newestTrials, seedsOf } from './newest-trials.js';
import { type Spread, spreadOf } from './spread.js';

/** A learning rate that was tried, and what the validation split said; null where the trial failed. */
interface TriedRate {
  readonly learningRate: number;
  readonly validation: number | null;
}

/** What the validation split said while a seed trained. */
interface Curve {
  readonly seed: number;
  /** The task's metric, or the loss where a run's evaluations do not measure that. */
  readonly label: string;
  readonly points: readonly { readonly step: number; readonly value: number }[];
}

export interface FailedTrial {
  readonly kind: TrialResult['trial']['kind'];
  readonly seed: number;
  readonly learningRate: number;
  readonly failure: TrialFailure;
}

/** Everything of a cell that a report shows. */
export interface CellSummary {
  readonly cell: Cell;
  readonly metric: TaskMetric;
  /** Of the task. */
  readonly about: Pick<TrialResult['trial']['task'], 'summary' | 'licence' | 'source'>;
  /** Of the untrained base; null where it has no head for the task. */
  readonly untrained: number | null;
  /** Whether the task puts a head of its own on the model, so that what is left has none for words. */
  readonly hasOwnHead: boolean;
  /** By the measure's name, `quality` the task's metric; absent where nothing was measured. */
  readonly values: Readonly<Record<string, Spread>>;
  /** Those that have a result. */
  readonly seeds: number;
  /** The rate of the seeds; null where none ran. */
  readonly learningRate: number | null;
  readonly tried: readonly TriedRate[];
  /** Whether a rate beyond those tried may be better still. */
  readonly isAtEdge: boolean;
  /** Seconds that its tuning took. */
  readonly tuningSeconds: number;
  readonly failures: readonly FailedTrial[];
  readonly curves: readonly Curve[];
  /** The methods' settings as they ran. */
  readonly settings: unknown;
  /** What it ran on and by, once each: a processor or accelerator, and a commit. */
  readonly machines: readonly string[];
  readonly commits: readonly string[];
}

/** What an hour of a device costs, by the device's name. */
export type Prices = Readonly<Record<string, { readonly perHour: number; readonly source: string }>>;

/** The cells of results, each from the trials of its newest code. */
export function summarise(results: readonly TrialResult[], prices: Prices = {}): CellSummary[] {
  return groupBy(results, ({ trial }) => cellName(trial.cell)).map((ofCell) =>
    summariseCell(newestTrials(ofCell), prices),
  );
}

function summariseCell(trials: readonly TrialResult[], prices: Prices): CellSummary {
  const { cell, task } = (trials[0] as TrialResult).trial;
  const of = (kind: TrialResult['trial']['kind']): TrialResult[] => trials.filter(({ trial }) => trial.kind === kind);
  const quality = qualityMeasure(task);
  const seeds = seedsOf(trials);
  const values: Record<string, Spread> = {};
  for (const measure of [quality, ...measures]) {
    // What seeds that ran side by side cannot tell, the trial that ran alone does.
    const spread = spreadOf(valuesOf(measure, seeds)) ?? spreadOf(valuesOf(measure, of('timing')));
    if (spread !== null) values[measure.name] = spread;
  }
  const { summary, licence, source } = task;
  const rates = triedRates(of('tuning'));
  const learningRate = seeds[0]?.trial.learningRate ?? null;
  const edges = [rates[0]?.learningRate, rates.at(-1)?.learningRate];
  const recipe = (seeds[0] ?? trials[0])?.trial.recipe as RecipeDocument;
  return {
    ...{ cell, metric: task.metric, about: { summary, licence, source }, learningRate, tried: rates },
    values: { ...values, ...trainingCost(values.secondsPerStep, recipe, prices) },
    untrained: untrainedOf(trials, quality),
    hasOwnHead: trials.some(hasOwnHead),
    seeds: values.quality?.values.length ?? 0,
    isAtEdge: rates.length > 1 && learningRate !== null && edges.includes(learningRate),
    tuningSeconds: of('tuning').reduce((sum, { run_info }) => sum + run_info.total_time, 0),
    failures: trials.flatMap(({ trial: { kind, seed, learningRate: rate, outcome } }) =>
      outcome.status === 'failed' ? [{ kind, seed, learningRate: rate, failure: outcome.failure }] : [],
    ),
    curves: seeds.flatMap((trial) => curveOf(trial)),
    settings: settingsOf(recipe),
    machines: distinct(trials.map(machineOf)),
    commits: distinct(trials.map(commitOf)),
  };
}

interface RecipeDocument {
  readonly method?: string | readonly string[];
  readonly device?: string;
  readonly trainer?: { readonly steps?: number };
  readonly [block: string]: unknown;
}

/** Time and money of all steps of training, from a step's. */
function trainingCost(
  perStep: Spread | undefined,
  { device = '', trainer }: RecipeDocument,
  prices: Prices,
): Record<string, Spread> {
  const steps = trainer?.steps;
  if (perStep === undefined || steps === undefined) return {};
  const times = (factor: number): Spread => spreadOf(perStep.values.map((value) => value * factor)) as Spread;
  const price = prices[device];
  return { trainSeconds: times(steps), ...(price && { money: times((steps * price.perHour) / 3600) }) };
}

function settingsOf({ method = [], ...blocks }: RecipeDocument): Record<string, unknown> {
  return Object.fromEntries([method].flat().map((name) => [name, blocks[name] ?? {}]));
}

/** What trials say of a measure, failures left out, and of a time those that did not run alone. */
function valuesOf(measure: Measure, results: readonly TrialResult[]): number[] {
  return results.flatMap(({ trial }) => {
    if (trial.outcome.status === 'failed' || (measure.timed && !trial.alone)) return [];
    return measure.of(trial.outcome.measurement, trial) ?? [];
  });
}

function triedRates(tuning: readonly TrialResult[]): TriedRate[] {
  return tuning
    .map(({ trial: { learningRate, outcome, task } }): TriedRate => {
      if (outcome.status === 'failed') return { learningRate, validation: null };
      const { metrics, loss } = outcome.measurement.quality.validation;
      return { learningRate, validation: metricOf(task.metric, metrics, loss) };
    })
    .sort((a, b) => a.learningRate - b.learningRate);
}

function curveOf({ trial: { seed, outcome, task } }: TrialResult): Curve[] {
  if (outcome.status === 'failed') return [];
  const { curve } = outcome.measurement;
  const isMetric = curve.some(({ metrics }) => task.metric.name in metrics);
  const points = curve.flatMap(({ step, metrics, validationLoss }) => {
    const value = isMetric ? metrics[task.metric.name] : validationLoss;
    return value === null || value === undefined ? [] : [{ step, value }];
  });
  return [{ seed, label: isMetric ? task.metric.name : 'loss', points }];
}

function hasOwnHead({ trial: { outcome } }: TrialResult): boolean {
  return outcome.status === 'success' && outcome.measurement.quality.untrained === null;
}

function metricOf({ name }: TaskMetric, metrics: Readonly<Record<string, number>>, loss: number): number | null {
  return name === 'loss' ? loss : (metrics[name] ?? null);
}

function untrainedOf(trials: readonly TrialResult[], { label }: Measure): number | null {
  for (const { trial } of trials) {
    if (trial.outcome.status === 'failed' || trial.outcome.measurement.quality.untrained === null) continue;
    const { metrics, loss } = trial.outcome.measurement.quality.untrained;
    return label === 'loss' ? loss : (metrics[label] ?? null);
  }
  return null;
}

export function machineOf({ meta_info: { system_info: system } }: Pick<TrialResult, 'meta_info'>): string {
  const { processor, accelerator, cores, memoryBytes, system: name, machine } = system;
  const parts = [
    accelerator === 'N/A' ? null : accelerator,
    processor && `${processor}${cores === undefined ? '' : `, ${cores} threads`}`,
    typeof memoryBytes === 'number' ? `${Math.round(memoryBytes / 1e9)} GB` : null,
    [name, machine].filter(Boolean).join(' '),
  ];
  return parts.filter(Boolean).join(', ');
}

function commitOf({ run_info }: TrialResult): string {
  const { commit, worktree_is_dirty: isDirty } = run_info as { commit?: string; worktree_is_dirty?: boolean };
  if (commit === undefined) return 'no repository';
  return `${commit.slice(0, 10)}${isDirty ? ' with changes' : ''}`;
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}
