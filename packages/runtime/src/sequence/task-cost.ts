import { readMetrics } from '../run/metrics-file.js';
import { runPaths } from '../run/run-folder.js';
import type { SequenceTask } from './read-sequence.js';
import type { MeasureSettings } from './sequence-schema.js';

/** What a task's model cost to make. */
export interface TaskCost {
  /** Seconds of the steps of its training; evaluation, and what was done again after a kill, is not among them. */
  readonly trainSeconds: number;
  /** Seconds in which an earlier task's model wrote its rows; 0 where none did. */
  readonly generateSeconds: number;
  /** Earlier tasks without which it would not be: what it begins with, its teachers and its reward model, and what those needed. */
  readonly needs: readonly string[];
  /** Seconds of all that together. */
  readonly totalSeconds: number;
  /** What those seconds cost by the price of its device; null where that is not said. */
  readonly money: number | null;
  /** The most memory that its training held. */
  readonly peakBytes: number;
  readonly trainedParameters: number;
  readonly totalTokens: number;
}

/** What a finished run took, by its metrics. */
export function runCost(
  run: string,
): Pick<TaskCost, 'trainSeconds' | 'peakBytes' | 'trainedParameters' | 'totalTokens'> {
  const lines = readMetrics(runPaths(run).metrics);
  const steps = lines.filter((line) => line.type === 'step');
  return {
    trainSeconds: steps.reduce((sum, { tokens, tokensPerSecond }) => sum + tokens / tokensPerSecond, 0),
    peakBytes: Math.max(0, ...lines.map(({ peakBytes }) => peakBytes)),
    trainedParameters: Math.max(0, ...lines.map((line) => ('trainedParameters' in line ? line.trainedParameters : 0))),
    totalTokens: steps.at(-1)?.totalTokens ?? 0,
  };
}

/** The tasks without which one would not be, by their indices; `startOf` says whose model each begins with. */
export function neededBy(
  tasks: readonly Pick<SequenceTask, 'generate' | 'teacher' | 'rewardModel'>[],
  startOf: (index: number) => number | undefined,
  index: number,
): number[] {
  const { generate, teacher, rewardModel } = tasks[index] as SequenceTask;
  const named = [startOf(index), generate?.by, teacher, rewardModel].filter((each) => typeof each === 'number');
  const all = named.flatMap((each) => [...neededBy(tasks, startOf, each), each]);
  return [...new Set(all)].sort((a, b) => a - b);
}

/** The cost of tasks, each with what it needs. */
export function totalCosts(
  own: readonly (ReturnType<typeof runCost> & Pick<TaskCost, 'generateSeconds'> & { readonly task: string })[],
  needs: readonly (readonly number[])[],
  { prices }: Pick<MeasureSettings, 'prices'>,
  device: string,
): TaskCost[] {
  const perHour = prices[device]?.perHour;
  return own.map(({ task: _, ...cost }, index) => {
    const needed = needs[index] ?? [];
    const parts = [...needed, index].map((each) => own[each] as (typeof own)[number]);
    const totalSeconds = parts.reduce(
      (sum, { trainSeconds, generateSeconds }) => sum + trainSeconds + generateSeconds,
      0,
    );
    return {
      ...cost,
      needs: needed.map((each) => (own[each] as (typeof own)[number]).task),
      ...{ totalSeconds, money: perHour === undefined ? null : (perHour * totalSeconds) / 3600 },
    };
  });
}
