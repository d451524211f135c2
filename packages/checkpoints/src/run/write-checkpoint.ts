import { join } from 'node:path';
import { memoryTensor, type SavedArray } from '@tunesmith/core';
import { writeFlushed, writeFolderAtomically, writeNew } from '../files/atomic-write.js';
import { hashingSink, type WrittenFile } from '../files/byte-sink.js';
import { formatJson } from '../json/strict-json.js';
import { streamSafetensors } from '../safetensors/write-safetensors.js';
import {
  checkpointName,
  checkpointNames,
  removeCheckpoint,
  removeLeftovers,
  stateFile,
  summaryFile,
  summaryFormat,
  tensorsFile,
} from './checkpoint-files.js';

/** Everything a run needs to go on from a step. */
export interface Checkpoint {
  readonly step: number;
  /** Parameters and optimizer state by name; stored as they are, bit for bit. */
  readonly tensors: Readonly<Record<string, CheckpointTensor>>;
  /** Any JSON: sampler position, controls, the recipe's hash. */
  readonly state: unknown;
  /** How good the run was here, lower being better: the evaluation loss. Retention keeps the best. */
  readonly score?: number | undefined;
}

export interface CheckpointTensor {
  readonly shape: readonly number[];
  readonly values: SavedArray;
}

/**
 * Writes a checkpoint into a run's checkpoint folder and returns its path. Every file is flushed before one rename puts
 * the checkpoint in place, so a process killed at any moment leaves the ones before it whole. One writer at a time.
 * @throws DATA_INVALID for a state that JSON would change, SHAPE_MISMATCH for values that don't fill their shape
 */
export async function writeCheckpoint(folder: string, checkpoint: Checkpoint): Promise<string> {
  const { step, score } = checkpoint;
  await removeLeftovers(folder);
  const earlier = (await checkpointNames(folder)).filter((other) => other.step === step);
  const path = join(folder, checkpointName(step, (earlier.at(-1)?.writing ?? 0) + 1));
  await writeFolderAtomically(path, async (temporary) => {
    const files = {
      [tensorsFile]: await writeTensors(join(temporary, tensorsFile), checkpoint.tensors),
      [stateFile]: await writeState(join(temporary, stateFile), checkpoint.state),
    };
    await writeNew(join(temporary, summaryFile), summaryFormat.format({ step, score, files }));
  });
  for (const { name } of earlier) await removeCheckpoint(join(folder, name));
  return path;
}

function writeTensors(path: string, tensors: Checkpoint['tensors']): Promise<WrittenFile> {
  const stored = Object.entries(tensors).map(([name, { shape, values }]) => memoryTensor(name, shape, values));
  return writeFlushed(path, async (handle) => {
    const sink = hashingSink(handle);
    await streamSafetensors(sink.write, stored);
    return sink.written();
  });
}

function writeState(path: string, state: unknown): Promise<WrittenFile> {
  const text = formatJson(state);
  return writeFlushed(path, async (handle) => {
    const sink = hashingSink(handle);
    await sink.write(Buffer.from(text));
    return sink.written();
  });
}
