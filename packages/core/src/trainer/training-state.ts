import { TunesmithError } from '../errors/tunesmith-error.js';
import { parameterState } from '../optimizer/transformation.js';
import { elementCount, type Handle, type HostArray } from '../parameters/handle.js';
import type { StoredSpec } from '../program/backend.js';
import { bytesInStore } from '../storage/bytes-in-store.js';
import { zeroTensor } from '../storage/zero-tensor.js';
import type { SavedArray, TrainerCheckpoint } from './ports.js';
import { chunkState, chunksOf, optimizerEntry, type TrainingPlan } from './training-plan.js';

type SavedTensor = TrainerCheckpoint['tensors'][number];

/** Handles whose values a checkpoint holds: what is or was trained, and what methods keep beside it. */
function savedHandles({ model }: TrainingPlan): Handle[] {
  const trained = new Set(model.trained);
  const moved = new Set(model.stage?.moved);
  return model.handles.filter((handle) => trained.has(handle) || handle.owner !== 'base' || moved.has(handle.path));
}

function optimizerName(slot: string, key: string): string {
  return `optimizer/${slot}/${key}`;
}

/** Bytes of what `readTrainingState` reads. */
export function trainingStateBytes(plan: TrainingPlan): number {
  const optimizer = chunksOf(plan).flatMap((chunk) => Object.values(chunkState(plan.optimizer, chunk)));
  const saved = savedHandles(plan).map(({ shape }): StoredSpec => ({ shape, dtype: 'float32' }));
  return [...saved, ...optimizer].reduce((sum, spec) => sum + bytesInStore(spec), 0);
}

/** Parameters, buffers and optimizer state by path, however they are packed. */
export async function readTrainingState(plan: TrainingPlan): Promise<SavedTensor[]> {
  const tensors: SavedTensor[] = [];
  for (const handle of savedHandles(plan)) {
    tensors.push({
      name: `parameter/${handle.key}`,
      shape: handle.shape,
      data: await plan.parameters.readArray(handle),
    });
  }
  return [...tensors, ...(await readOptimizerState(plan))];
}

/** The optimizer's state of every trained handle. */
export async function readOptimizerState({ groups, optimizer, parameters }: TrainingPlan): Promise<SavedTensor[]> {
  const tensors: SavedTensor[] = [];
  for (const chunk of groups.flatMap(({ chunks }) => chunks)) {
    for (const slot of Object.keys(chunkState(optimizer, chunk))) {
      const { data } = await parameters.tensors.get(optimizerEntry(slot, chunk));
      let offset = 0;
      for (const handle of chunk.handles) {
        const { shape } = parameterState(optimizer, handle).slots[slot] as StoredSpec;
        const size = elementCount(shape);
        const own = (data as SavedArray).slice(offset, offset + size);
        tensors.push({ name: optimizerName(slot, handle.key), shape, data: own });
        offset += size;
      }
    }
  }
  return tensors;
}

/** Puts the optimizer's state back, as `take` gives it for each name and shape. */
function fillOptimizerState(plan: TrainingPlan, take: (name: string, spec: StoredSpec) => SavedArray): void {
  const { optimizer, parameters } = plan;
  for (const chunk of chunksOf(plan)) {
    for (const [slot, spec] of Object.entries(chunkState(optimizer, chunk))) {
      const whole = zeroTensor(spec);
      let offset = 0;
      for (const handle of chunk.handles) {
        const own = parameterState(optimizer, handle).slots[slot] as StoredSpec;
        whole.data.set(take(optimizerName(slot, handle.key), own), offset);
        offset += elementCount(own.shape);
      }
      parameters.tensors.set(optimizerEntry(slot, chunk), whole);
    }
  }
}

/** Gives what an earlier plan trained too the state that it had there; all else starts at zero. */
export function carryOptimizerState(plan: TrainingPlan, tensors: readonly SavedTensor[]): void {
  const saved = new Map(tensors.map(({ name, data }) => [name, data]));
  fillOptimizerState(plan, (name, spec) => saved.get(name) ?? (zeroTensor(spec).data as SavedArray));
}

/** Puts a checkpoint's tensors back. Strict: every tensor of the plan must be there with its shape, and no other. */
export async function writeTrainingState(plan: TrainingPlan, tensors: readonly SavedTensor[]): Promise<void> {
  const saved = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const take = (name: string, { shape }: Pick<StoredSpec, 'shape'>): SavedArray => {
    const tensor = saved.get(name);
    saved.delete(name);
    if (tensor === undefined || tensor.data.length !== elementCount(shape)) {
      throw new TunesmithError('FILE_INVALID', 'the checkpoint does not fit this recipe', {
        where: name,
        expected: `[${shape.join(', ')}]`,
        got: tensor === undefined ? 'nothing' : `[${tensor.shape.join(', ')}]`,
        hint: 'A run resumes with the model, methods and optimizer that it started with.',
      });
    }
    return tensor.data;
  };
  for (const handle of savedHandles(plan)) {
    await plan.parameters.write(handle, take(`parameter/${handle.key}`, handle).slice() as HostArray);
  }
  fillOptimizerState(plan, take);
  const [left] = saved.keys();
  if (left !== undefined) {
    throw new TunesmithError('FILE_INVALID', 'the checkpoint holds a tensor that this recipe has no place for', {
      where: left,
    });
  }
}
