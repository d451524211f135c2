import { once } from 'node:events';
import { TunesmithError } from '@tunesmith/core';
import { type Engine, loadMethods, loadObjectiveOf, recipeDocument } from '@tunesmith/runtime';
import { cellName } from '../suite/cells.js';
import { runTrial } from './run-trial.js';
import type { TrialPlace, TrialRequest } from './trial-request.js';
import type { TrialOutcome } from './trial-result.js';

/** What a trial's process is told. */
export interface TrialTask {
  readonly request: TrialRequest;
  readonly place: TrialPlace;
}

/**
 * A trial's process: waits for its parent's request, runs it, tells what came of it and ends. The caller puts in families
 * and backends; the methods and the objective are those that the recipe names.
 */
export async function serveTrial(
  engineFor: (task: TrialTask) => Omit<Engine, 'methods' | 'objectives'>,
): Promise<void> {
  // Without a parent nobody waits for the result.
  process.on('disconnect', () => process.exit(1));
  const requested = once(process, 'message');
  process.send?.({ type: 'ready' });
  const [task] = (await requested) as [TrialTask];
  const started = performance.now();
  let outcome: TrialOutcome;
  try {
    const { request, place } = task;
    const names = request.recipe.methods.map(({ name }) => name);
    const lookup = { roots: place.roots, plugins: request.recipe.plugins };
    const methods = await loadMethods(names, lookup);
    const source = { value: recipeDocument(request.recipe), where: cellName(request.cell) };
    const objectives = await loadObjectiveOf(source, lookup);
    const measurement = await runTrial(request, place, { ...engineFor(task), methods, objectives });
    outcome = { status: 'success', measurement };
  } catch (error) {
    const isDiverged = TunesmithError.isInstance(error) && error.code === 'DIVERGED';
    const message = error instanceof Error ? error.message : String(error);
    const totalSeconds = (performance.now() - started) / 1000;
    outcome = { status: 'failed', failure: { kind: isDiverged ? 'diverged' : 'error', message }, totalSeconds };
  }
  await new Promise<void>((resolve) => process.send?.({ type: 'outcome', outcome }, () => resolve()));
  process.exit(0);
}
