import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { temporaryPath } from '../files/atomic-write.js';
import { isMissing } from '../files/missing-file.js';
import { defineVersionedJson } from '../json/versioned-json.js';

/**
 * A run's checkpoints lie side by side in one folder: `step-00000042`, and `step-00000042-2` when that step is written
 * again, so that the first is there until the second is whole. `.tmp-` names are what a killed process left.
 */
export const tensorsFile = 'tensors.safetensors';
export const stateFile = 'state.json';
export const summaryFile = 'checkpoint.json';

const fileSchema = z.strictObject({ bytes: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** `checkpoint.json`, written last: what the others must be. */
export const summaryFormat = defineVersionedJson({
  kind: 'checkpoint',
  version: 1,
  schema: z.strictObject({
    step: z.int().nonnegative(),
    score: z.number().optional(),
    files: z.strictObject({ [tensorsFile]: fileSchema, [stateFile]: fileSchema }),
  }),
});

export interface CheckpointName {
  readonly name: string;
  readonly step: number;
  /** 1, or more where a step was written again. */
  readonly writing: number;
}

export function checkpointName(step: number, writing: number): string {
  return `step-${String(step).padStart(8, '0')}${writing === 1 ? '' : `-${writing}`}`;
}

/** The names of finished checkpoints in a run's folder, oldest first; none if the folder is not there. */
export async function checkpointNames(folder: string): Promise<CheckpointName[]> {
  return (await namesIn(folder))
    .flatMap((name) => {
      const match = /^step-(\d{8,})(?:-(\d+))?$/.exec(name);
      return match === null ? [] : [{ name, step: Number(match[1]), writing: Number(match[2] ?? 1) }];
    })
    .sort((a, b) => a.step - b.step || a.writing - b.writing);
}

/** Removes what writers that were killed left behind. Only a run's one writer may call it. */
export async function removeLeftovers(folder: string): Promise<void> {
  const leftovers = (await namesIn(folder)).filter((name) => /^step-\d{8,}(-\d+)?\.tmp-/.test(name));
  for (const name of leftovers) await rm(join(folder, name), { recursive: true, force: true });
}

/** Removes a checkpoint; under a temporary name first, so that half of one is never taken for a whole. */
export async function removeCheckpoint(path: string): Promise<void> {
  const doomed = temporaryPath(path);
  await rename(path, doomed);
  await rm(doomed, { recursive: true, force: true });
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
