import { totalmem } from 'node:os';
import {
  bytesPerElement,
  elementCount,
  encodedBytes,
  type Model,
  quantizationSchema,
  type TrainingEstimate,
  type WeightDtype,
} from '@tunesmith/core';
import type { Engine } from '../model/engine.js';
import { heldDtype, storedTensorIn } from '../model/load-model.js';
import type { OpenBase } from '../model/open-base.js';
import { describeRun } from '../train/describe-run.js';
import { type Rehearsal, rehearseRun } from './rehearse-run.js';

/** A form in which the base could be kept, and what the run would then take. */
export interface PlannedBase {
  /** `float32`, `float16`, `bfloat16`, or the type of a quantised base. */
  readonly name: string;
  readonly weightBytes: number;
  readonly peakBytes: number;
  /** Whether the peak is below the machine's memory. */
  readonly fits: boolean;
  /** Whether it is the recipe's. */
  readonly chosen: boolean;
}

/** What keeping matrices quantised saves. */
export interface PlannedSaving {
  /** Values that are kept as codes. */
  readonly values: number;
  /** Their bytes in the checkpoint, in its own types or codes. */
  readonly checkpointBytes: number;
  /** Their bytes as codes, with all that belongs to these. */
  readonly keptBytes: number;
}

/** What a model's codes take, against the checkpoint's own types; null where nothing is quantised. */
export function savingOf(model: Model, folder: Pick<OpenBase, 'tensors'>): PlannedSaving | null {
  let [values, checkpointBytes, keptBytes] = [0, 0, 0];
  for (const handle of model.handles) {
    const encoding = model.encodingOf(handle);
    if (encoding === undefined) continue;
    const count = elementCount(handle.shape);
    values += count;
    const { dtype = 'F32', codes } = storedTensorIn(folder, model.family, handle.path) ?? {};
    checkpointBytes += codes ? encodedBytes({ ...encoding, codec: codes.codec }) : count * bytesPerElement(dtype);
    keptBytes += encodedBytes(encoding);
  }
  return values === 0 ? null : { values, checkpointBytes, keptBytes };
}

/** The memory that this process may have: the machine's, or its container's. */
export function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** Types of a quantised base that a plan offers: the smallest, and the one that computes fastest. */
const offered = ['int8', 'nf4'] as const;

/** Rehearses the run over the base in each form that its methods train over; `own` is the recipe's estimate. */
export async function planBases(
  rehearsal: Rehearsal,
  own: TrainingEstimate,
  engine: Pick<Engine, 'families' | 'methods'>,
): Promise<PlannedBase[]> {
  const { recipe, folder, model } = rehearsal;
  const { dtype } = recipe.model;
  const encodings = model.handles.map((handle) => model.encodingOf(handle));
  const codec = encodings.find((encoding) => encoding !== undefined)?.codec.name;
  const held = heldDtype(dtype, folder);
  const memory = machineMemory();
  const based = (name: string, { weightBytes, peakBytes }: TrainingEstimate): PlannedBase => {
    const chosen = name === (codec ?? held);
    return { name, weightBytes, peakBytes, fits: peakBytes <= memory, chosen };
  };
  const bases: PlannedBase[] = [];
  const floats = new Set<WeightDtype>([...(codec === undefined ? [held] : []), 'float32', 'float16']);
  for (const name of floats) {
    const isOwn = codec === undefined && name === held;
    bases.push(based(name, isOwn ? own : await estimateWith({ ...recipe.model, quantization: 'none', dtype: name })));
  }
  if (codec !== undefined) bases.push(based(codec, own));
  if (canQuantize(recipe.methods, engine)) {
    for (const type of offered.filter((each) => each !== codec)) {
      const settings = quantizationSchema.parse({ type });
      bases.push(based(type, await estimateWith({ ...recipe.model, quantization: settings })));
    }
  }
  return bases.sort((a, b) => b.weightBytes - a.weightBytes);

  async function estimateWith(model: Rehearsal['recipe']['model']): Promise<TrainingEstimate> {
    const other = { ...recipe, model };
    const described = await describeRun(other, folder, engine);
    return (await rehearseRun({ ...rehearsal, recipe: other, model: described.model })).estimate;
  }
}

function canQuantize(methods: Rehearsal['recipe']['methods'], engine: Pick<Engine, 'methods'>): boolean {
  return methods.every(({ name }) =>
    engine.methods.some(({ definition }) => definition.name === name && definition.capabilities.quantizedBase === true),
  );
}
