import type { Batch } from '../objective/objective.js';
import type { Row } from '../objective/row.js';
import { collateRows } from '../objective/virtual-tokens.js';
import { mapNamed } from '../optimizer/transformation.js';
import type { HostTensor } from '../program/backend.js';
import type { Json } from '../storage/json.js';
import type { Named } from '../tensor/tfjs.js';
import { inputsOf, methodControls, objectiveControls } from './controls.js';
import type { ExecutableCache } from './executable-cache.js';
import { normalizerScales } from './normalizer-scales.js';
import type { StepEvent } from './ports.js';
import { inputNames, outputNames } from './program-names.js';
import { accumulateProgram, applyProgram, stepProgram } from './programs.js';
import type { TrainerOptions } from './trainer.js';
import type { TrainingPlan } from './training-plan.js';

/** Where a run stands when a step begins. */
export interface StepContext {
  /** Steps done so far. */
  readonly step: number;
  /** Which optimizer update this is, from 1. */
  readonly update: number;
  readonly totalTokens: number;
  /** What controls remember, by the names of their inputs. */
  readonly memories: Named<Json>;
  /** When the run began, in milliseconds of `performance.now`. */
  readonly started: number;
}

/**
 * One optimizer step over a window of rows: one program, or several micro-batches that add up their gradients and one
 * that applies them.
 */
export async function trainStep(
  options: TrainerOptions,
  plan: TrainingPlan,
  executables: ExecutableCache,
  rows: readonly Row[],
  { step, update, totalTokens, memories, started }: StepContext,
): Promise<StepEvent> {
  const { model, objective, batchSize, maxLength, padToken, seed, schedule, steps, gradientAccumulation = 1 } = options;
  const began = performance.now();
  const batches: Batch[] = [];
  for (let first = 0; first < rows.length; first += batchSize) {
    const some = rows.slice(first, first + batchSize);
    const random = { seed, step, firstRow: first };
    batches.push(collateRows(model, objective, some, { rows: batchSize, maxLength, padToken, random }));
  }
  // Rule A: what losses are divided by is known for the whole accumulated batch before its first micro-batch runs.
  const totals = addNamed(batches.map(({ normalizers }) => normalizers));
  const scales = normalizerScales(totals, { what: 'batch', where: `step ${step + 1}` });
  const factor = schedule(step, steps);
  const learningRate = options.learningRate * factor;
  const optimizerInputs = {
    ...optimizerScalars(plan, { peak: options.learningRate, factor }, update),
    ...inputsOf(methodControls(plan), { step, steps }, memories),
  };
  const objectiveInputs = inputsOf(objectiveControls(plan), { step, steps }, memories);

  const outputs: Named<number>[] = [];
  const accumulate = gradientAccumulation > 1;
  for (const [index, batch] of batches.entries()) {
    const program = accumulate ? accumulateProgram(plan, batch) : stepProgram(plan, batch);
    const executable = await executables.get(program);
    const inputs = { ...batch.columns, ...scales, ...objectiveInputs, ...(accumulate ? {} : optimizerInputs) };
    // Each row of the data may be several of the batch, and masks belong to those.
    const random = { seed, step, firstRow: index * batchSize * (objective.rowsEach ?? 1) };
    outputs.push(meanOfObserved(numbers(await executable.run(inputs, { random })), batches.length));
  }
  if (accumulate) {
    const executable = await executables.get(applyProgram(plan), { lasting: true });
    outputs.push(numbers(await executable.run(optimizerInputs)));
  }

  const sums = addNamed(outputs);
  const pick = (wanted: (name: string) => string): Record<string, number> => {
    const prefix = wanted('');
    const entries = Object.entries(sums).filter(([name]) => name.startsWith(prefix));
    return Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]));
  };
  const { loss = Number.NaN, ...terms } = pick(outputNames.term);
  const { gradientNorm = Number.NaN, ...observed } = pick(outputNames.observed);
  const tokens = batches.reduce((sum, batch) => sum + batch.tokens, 0);
  const now = performance.now();
  return {
    type: 'step',
    step: step + 1,
    loss,
    terms,
    learningRate,
    gradientNorm,
    observed,
    rows: rows.length,
    tokens,
    totalTokens: totalTokens + tokens,
    tokensPerSecond: (tokens / (now - began)) * 1000,
    elapsedSeconds: (now - started) / 1000,
  };
}

function scalarInput(value: number): HostTensor {
  return { dtype: 'float32', shape: [], data: Float32Array.of(value) };
}

function optimizerScalars(
  { groups, optimizer }: TrainingPlan,
  { peak, factor }: { readonly peak: number; readonly factor: number },
  update: number,
): Named<HostTensor> {
  const inputs: Named<HostTensor> = {};
  groups.forEach(({ scale, learningRate, since }, group) => {
    inputs[inputNames.learningRate(group)] = scalarInput((learningRate ?? peak) * scale * factor);
    for (const [name, value] of Object.entries(optimizer.scalars?.(update - since) ?? {})) {
      inputs[inputNames.optimizerScalar(group, name)] = scalarInput(value);
    }
  });
  return inputs;
}

function numbers(outputs: Named<HostTensor>): Named<number> {
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data[0] as number]));
}

/** Terms are parts of the whole batch's sums; what a micro-batch observed is one of so many to take the mean of. */
function meanOfObserved(outputs: Named<number>, batches: number): Named<number> {
  const prefix = outputNames.observed('');
  return mapNamed(outputs, (value, name) => (name.startsWith(prefix) ? value / batches : value));
}

function addNamed(records: readonly Named<number>[]): Named<number> {
  const sums: Named<number> = {};
  for (const record of records)
    for (const [name, value] of Object.entries(record)) sums[name] = (sums[name] ?? 0) + value;
  return sums;
}
