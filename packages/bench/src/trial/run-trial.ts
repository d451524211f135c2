import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { continueRun, createRun, type Engine, planRecipe, type RunResult, resolveRecipe } from '@tunesmith/runtime';
import { createClock } from '../measure/clock.js';
import { hasOwnMemory, startDeviceMeter } from '../measure/device-memory.js';
import { startEnergyMeter } from '../measure/energy.js';
import { tensorBytes } from '../measure/tensor-bytes.js';
import { measureInference, measureQuality } from './measure-trained.js';
import type { TrialParts } from './open-trained.js';
import type { TrialPlace, TrialRequest } from './trial-request.js';
import type { Measurement } from './trial-result.js';

/**
 * Trains a trial's recipe and measures what came of it. Training is first: the process's peak memory is training's until it
 * is over, and is read then.
 */
export async function runTrial(request: TrialRequest, place: TrialPlace, engine: Engine): Promise<Measurement> {
  const started = performance.now();
  const folder = join(place.workFolder, request.key);
  // What a trial left that was broken off.
  await rm(folder, { recursive: true, force: true });
  try {
    // How a method wants the base kept is settled here, as `tunesmith train` does.
    const recipe = await resolveRecipe({ ...request.recipe, output: join(folder, 'run') }, engine);
    const lookup = { roots: place.roots, plugins: recipe.plugins };
    const parts: TrialParts = { request, recipe, engine, lookup, cacheFolder: place.cacheFolder };
    const { result, curve, size, costs } = await trainMeasured(parts);
    const quality = await measureQuality(parts, result);
    const inference = await measureInference(parts, result, join(folder, 'merged'));
    const planned = request.kind === 'tuning' ? null : await planOf(parts);
    const flopsPerStep = planned?.flopsPerStep ?? null;
    return {
      ...{ quality, curve, size, inference },
      costs: {
        ...costs,
        totalSeconds: (performance.now() - started) / 1000,
        flopsPerStep,
        flops: flopsPerStep === null ? null : flopsPerStep * costs.steps,
      },
      plan: planned && { peakBytes: planned.peakBytes, seconds: planned.seconds },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Trained = Pick<Measurement, 'curve' | 'size'> & {
  readonly result: RunResult;
  readonly costs: Omit<Measurement['costs'], 'totalSeconds' | 'flopsPerStep' | 'flops'>;
};

async function trainMeasured({ recipe, engine }: TrialParts): Promise<Trained> {
  const clock = createClock();
  const device = hasOwnMemory(recipe.device) ? await startDeviceMeter() : null;
  const energy = await startEnergyMeter();
  const run = await createRun(recipe);
  const result = await continueRun(run, recipe, engine, { sinks: [clock, ...(device === null ? [] : [device.sink])] });
  const joules = await energy.stop();
  const { curve, trainedParameters, totalParameters, ...times } = clock.times();
  const tokensPerSecond = times.trainSeconds > 0 ? times.tokens / times.trainSeconds : null;
  const folders = result.model === null ? result.adapters : [result.model];
  return {
    ...{ result, curve },
    size: { trainedParameters, totalParameters, adapterBytes: await tensorBytes(folders) },
    costs: {
      ...times,
      tokensPerSecond,
      peakBytes: result.peakBytes,
      devicePeakBytes: device?.peakBytes() ?? null,
      joules,
    },
  };
}

/** What `plan` says of the run; null for a device that cannot tell. */
async function planOf({
  recipe,
  engine,
}: TrialParts): Promise<{ peakBytes: number; seconds: number; flopsPerStep: number } | null> {
  const { estimate, time } = await planRecipe(recipe, engine, () => {}, { bases: false });
  if (estimate === null || time === null) return null;
  return { peakBytes: estimate.peakBytes, flopsPerStep: estimate.flopsPerStep, seconds: time.seconds };
}
