import { TunesmithError } from '../errors/tunesmith-error.js';
import type { GradientTrace, HandleValues, UpdateTrace } from '../method/hooks.js';
import type { MethodHooks } from '../model/model.js';
import { globalNorm } from '../optimizer/clip-by-global-norm.js';
import { type Leaf, mapNamed } from '../optimizer/transformation.js';
import type { Handle } from '../parameters/handle.js';
import type { ProgramIO, ProgramResult, TensorSpec } from '../program/program.js';
import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { controlSpecs, methodControls } from './controls.js';
import { differentiate } from './gradients.js';
import { readFromChunks, writeToChunks } from './handle-values.js';
import { inputNames, outputNames } from './program-names.js';
import { chunkState, chunksOf, optimizerEntry, type PlannedGroup, type TrainingPlan } from './training-plan.js';

/** The small inputs of whatever applies gradients: learning rates, the optimizer's scalars, the methods' controls. */
export function optimizerSpecs(plan: TrainingPlan): Named<TensorSpec> {
  const { groups, optimizer } = plan;
  const scalars = groups.flatMap((_, index) => [
    inputNames.learningRate(index),
    ...Object.keys(optimizer.scalars?.(1) ?? {}).map((name) => inputNames.optimizerScalar(index, name)),
  ]);
  return {
    ...Object.fromEntries(scalars.map((name) => [name, { shape: [], dtype: 'float32' }])),
    ...controlSpecs(methodControls(plan)),
  };
}

/** Penalties, transformations, clipping, the optimizer's step and what methods do after it: rule C of the plugin contract. */
export function applyGradients(io: ProgramIO, plan: TrainingPlan, raw: Named<Tensor>): ProgramResult {
  const { groups, optimizer, model } = plan;
  const chunks = chunksOf(plan);
  const outputs: Named<Tensor> = {};
  const observe = (name: string, value: Tensor): void => {
    outputs[outputNames.observed(name)] = value;
  };
  const gradients = methodGradients(io, plan, raw, outputs);
  // Last layers first, as their gradients are listed: what comes first in a program is asked for first.
  const leaves: Named<Leaf> = Object.fromEntries(
    groups.flatMap((group, index) => groupLeaves(io, group, index, optimizer)).reverse(),
  );
  const result = optimizer.update(gradients, leaves, { observe });
  // Divergence shows in the norm first, so that it is there also where no transformation observes it.
  outputs[outputNames.observed('gradientNorm')] ??= globalNorm(gradients);

  let values = mapNamed(leaves, ({ parameter }, entry) => tf.add(parameter, result.updates[entry] as Tensor));
  const updates: Named<Tensor> = {};
  for (const owner of model.hooks) {
    if (owner.hooks.afterUpdate === undefined) continue;
    const after = readFromChunks(chunks, values);
    const trace = { ...gradientTrace(io, plan, owner, gradients, outputs), after };
    const changed = checkOwned(plan, owner, owner.hooks.afterUpdate(trace));
    values = writeToChunks(chunks, values, changed);
    for (const [{ kind, key }, value] of changed) if (kind === 'buffer') updates[key] = value;
  }
  for (const chunk of chunks) {
    const { entry } = chunk;
    updates[entry] = values[entry] as Tensor;
    for (const [slot, value] of Object.entries(result.state[entry] ?? {})) updates[optimizerEntry(slot, chunk)] = value;
  }
  return { outputs, updates };
}

/** The gradients by chunk after the methods' penalties and transformations. */
function methodGradients(io: ProgramIO, plan: TrainingPlan, raw: Named<Tensor>, outputs: Named<Tensor>): Named<Tensor> {
  const chunks = chunksOf(plan);
  let gradients = raw;
  for (const owner of plan.model.hooks) {
    if (owner.hooks.penalty !== undefined) {
      gradients = writeToChunks(chunks, gradients, addPenalty(io, plan, owner, gradients, outputs));
    }
  }
  for (const owner of plan.model.hooks) {
    const trace = gradientTrace(io, plan, owner, gradients, outputs);
    const changed = owner.hooks.transformGradients?.(trace);
    if (changed !== undefined) gradients = writeToChunks(chunks, gradients, changed);
  }
  return gradients;
}

/** The gradients of the parameters that a penalty depends on, with the penalty's own added. */
function addPenalty(
  io: ProgramIO,
  plan: TrainingPlan,
  owner: MethodHooks,
  gradients: Named<Tensor>,
  outputs: Named<Tensor>,
): HandleValues {
  const { trained } = plan.model;
  const inputs = trained.map((handle) => plan.parameters.readIn(io, handle));
  const live = new Map(trained.map(({ key }, index) => [key, inputs[index] as Tensor]));
  const trace = updateTrace(io, plan, owner, outputs);
  const value = (handle: Handle): Tensor => live.get(handle.key) ?? trace.value(handle);
  const { gradients: added, kept } = differentiate((keep) => {
    const penalty = owner.hooks.penalty?.({ ...trace, value }) as Tensor;
    keep('penalty', penalty);
    return penalty;
  }, inputs);
  outputs[outputNames.term(`${owner.method}.penalty`)] = kept.penalty as Tensor;
  const read = readFromChunks(chunksOf(plan), gradients);
  return new Map(
    trained.flatMap((handle, index): [Handle, Tensor][] => {
      const gradient = added[index] ?? null;
      return gradient === null ? [] : [[handle, tf.add(read(handle), gradient)]];
    }),
  );
}

/** What a method's hooks see of a program. */
export function updateTrace(
  io: ProgramIO,
  plan: TrainingPlan,
  { method }: MethodHooks,
  outputs: Named<Tensor>,
): UpdateTrace {
  return {
    value: (handle) => plan.parameters.readIn(io, handle),
    control: (name) => io.input(inputNames.control(method, name)),
    observe(name, value) {
      outputs[outputNames.observed(`${method}.${name}`)] = value;
    },
  };
}

function gradientTrace(
  io: ProgramIO,
  plan: TrainingPlan,
  owner: MethodHooks,
  gradients: Named<Tensor>,
  outputs: Named<Tensor>,
): GradientTrace {
  return { ...updateTrace(io, plan, owner, outputs), gradient: readFromChunks(chunksOf(plan), gradients) };
}

/** A method moves its own parameters and buffers; the frozen base is not its to write. */
export function checkOwned({ model }: TrainingPlan, { method }: MethodHooks, values: HandleValues): HandleValues {
  const trained = new Set(model.trained);
  for (const handle of values.keys()) {
    if (handle.owner === method || trained.has(handle)) continue;
    throw new TunesmithError('METHOD_CONFLICT', `${method} writes a weight that is not its own and is not trained`, {
      where: handle.path,
    });
  }
  return values;
}

function groupLeaves(
  io: ProgramIO,
  { chunks, decay, clip }: PlannedGroup,
  index: number,
  optimizer: TrainingPlan['optimizer'],
): [string, Leaf][] {
  const learningRate = io.input(inputNames.learningRate(index));
  const scalars = mapNamed(optimizer.scalars?.(1) ?? {}, (_, name) =>
    io.input(inputNames.optimizerScalar(index, name)),
  );
  const leaf = (chunk: (typeof chunks)[number]): Leaf => ({
    parameter: io.read(chunk.entry),
    state: mapNamed(chunkState(optimizer, chunk), (_, slot) => io.read(optimizerEntry(slot, chunk))),
    ...{ scalars, learningRate, decay, clip },
  });
  return chunks.map((chunk) => [chunk.entry, leaf(chunk)]);
}
