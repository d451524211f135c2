import type { TrialResult } from '../store/result-file.js';

/**
 * A cell's trials of its newest code, data and model, on the device of the newest: what an older version of a method reached
 * is history, and is not averaged with what it reaches now.
 */
export function newestTrials(ofCell: readonly TrialResult[]): TrialResult[] {
  const newest = newestOf(ofCell);
  const isSame = ({ trial: { identity, recipe } }: TrialResult): boolean =>
    recipe.device === newest?.trial.recipe.device &&
    (['code', 'data', 'model'] as const).every((part) => identity[part] === newest?.trial.identity[part]);
  return ofCell.filter(isSame);
}

/** The trials that are reported, of one learning rate: another one is from before the tuning changed. */
export function seedsOf(trials: readonly TrialResult[]): TrialResult[] {
  const seeds = trials.filter(({ trial }) => trial.kind === 'seed');
  const newest = newestOf(seeds);
  return seeds.filter(({ trial }) => trial.learningRate === newest?.trial.learningRate);
}

function newestOf(trials: readonly TrialResult[]): TrialResult | undefined {
  return trials.toSorted((a, b) => (a.run_info.created_at < b.run_info.created_at ? 1 : -1))[0];
}
