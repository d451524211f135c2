import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Model } from '../model/model.js';
import type { Batch, Objective } from '../objective/objective.js';
import { type GroupSettings, groupHandles, type ParameterGroup } from '../optimizer/groups.js';
import { type GradientTransformation, mapNamed, parameterState } from '../optimizer/transformation.js';
import { elementCount, type Handle } from '../parameters/handle.js';
import type { Chunk, ParameterStore } from '../parameters/parameter-store.js';
import type { StoredSpec } from '../program/backend.js';
import type { TensorSpec } from '../program/program.js';
import { zeroTensor } from '../storage/zero-tensor.js';
import type { Named } from '../tensor/tfjs.js';

/** Chunks that are updated alike. */
export interface PlannedGroup extends GroupSettings {
  readonly chunks: readonly Chunk[];
}

/** What all programs of a stage share: what is trained, how it is grouped and stored, and by what rule it moves. */
export interface TrainingPlan {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly objective: Objective;
  readonly optimizer: GradientTransformation;
  readonly groups: readonly PlannedGroup[];
  readonly gradientCheckpointing: boolean;
  /** Updates of the run before a handle was first trained, by key; 0 where not said. */
  readonly since: ReadonlyMap<string, number>;
}

export interface PlanOptions {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly objective: Objective;
  readonly optimizer: GradientTransformation;
  readonly groups?: readonly ParameterGroup[];
  readonly weightDecay: number;
  readonly gradientCheckpointing?: boolean;
  readonly since?: ReadonlyMap<string, number>;
  /** False where gradients are looked at and nothing is updated: nothing is packed, and no optimizer state made. */
  readonly updates?: boolean;
}

export function optimizerEntry(slot: string, chunk: Chunk): string {
  return `optimizer/${slot}/${chunk.entry}`;
}

/** What is stored of a chunk's optimizer state, by slot: that of its parameters, one after another. */
export function chunkState(optimizer: GradientTransformation, { handles }: Chunk): Named<StoredSpec> {
  const states = handles.map((handle) => parameterState(optimizer, handle).slots);
  const [first = {}] = states;
  if (states.length === 1) return first;
  return mapNamed(first, ({ dtype }, slot) => {
    const sizes = states.map((slots) => elementCount((slots[slot] as StoredSpec).shape));
    return { dtype, shape: [sizes.reduce((sum, size) => sum + size, 0)] };
  });
}

export function gradientEntry(chunk: Chunk): string {
  return `gradient/${chunk.entry}`;
}

export function chunkShape(chunk: Chunk): readonly number[] {
  const [only] = chunk.handles;
  return chunk.handles.length === 1 && only !== undefined ? only.shape : [chunk.size];
}

export function chunksOf(plan: TrainingPlan): Chunk[] {
  return plan.groups.flatMap(({ chunks }) => chunks);
}

/** Packs the trained handles into chunks by group and gives the optimizer its zero state. */
export async function planTraining(options: PlanOptions): Promise<TrainingPlan> {
  const { model, parameters, optimizer, groups = [], weightDecay, since = new Map() } = options;
  checkTask(options);
  if (model.trained.length === 0) {
    throw new TunesmithError('CONFIG_INVALID', 'no parameter is trained', { hint: 'Give the recipe a method.' });
  }
  const methodGroups = model.hooks.flatMap(({ hooks }) => hooks.groups ?? []);
  const updated = options.updates === false ? [] : model.trained;
  const formOf = (handle: Handle): string => parameterState(optimizer, handle).form;
  const grouped = groupHandles(updated, [...groups, ...methodGroups], weightDecay, since, formOf);
  const packed = await parameters.pack(grouped.map(({ handles }) => handles));
  const planned = grouped.map(({ handles: _, ...settings }, index) => ({
    ...settings,
    chunks: packed[index] as Chunk[],
  }));
  for (const chunk of planned.flatMap(({ chunks }) => chunks)) {
    for (const [slot, spec] of Object.entries(chunkState(optimizer, chunk))) {
      parameters.tensors.set(optimizerEntry(slot, chunk), zeroTensor(spec));
    }
  }
  return {
    model,
    parameters,
    objective: options.objective,
    optimizer,
    groups: planned,
    gradientCheckpointing: options.gradientCheckpointing ?? false,
    since,
  };
}

function checkTask({ model, objective }: PlanOptions): void {
  const { task = 'causal-lm', labels = 0 } = objective;
  if (model.head.task === task && model.head.labels === labels) return;
  throw new TunesmithError('CONFIG_INVALID', 'the model was built for something else than the objective', {
    where: objective.name,
    expected: `a model for ${task}${labels > 0 ? ` with ${labels} labels` : ''}`,
    got: `${model.head.task}${model.head.labels > 0 ? ` with ${model.head.labels} labels` : ''}`,
    hint: "Give buildModel the objective's task and labels.",
  });
}

/** Makes room for gradients that add up over micro-batches. */
export function addGradientEntries(plan: TrainingPlan): void {
  for (const chunk of chunksOf(plan)) {
    const shape = chunkShape(chunk);
    const data = new Float32Array(elementCount(shape));
    plan.parameters.tensors.set(gradientEntry(chunk), { dtype: 'float32', shape, data });
  }
}

/** The input specs of a batch's columns. */
export function columnSpecs(batch: Batch): Named<TensorSpec> {
  return Object.fromEntries(
    Object.entries(batch.columns).map(([name, { shape, dtype }]) => [
      name,
      { shape, dtype: dtype as TensorSpec['dtype'] },
    ]),
  );
}
