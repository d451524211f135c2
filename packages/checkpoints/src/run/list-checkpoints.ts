import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../files/missing-file.js';
import { checkpointNames, summaryFile, summaryFormat } from './checkpoint-files.js';

/** A checkpoint as a list of them shows it. */
export interface CheckpointEntry {
  readonly path: string;
  readonly step: number;
  readonly score: number | undefined;
}

/** The finished checkpoints in a run's checkpoint folder, oldest first; unfinished ones are passed over. */
export async function listCheckpoints(folder: string): Promise<CheckpointEntry[]> {
  const entries: CheckpointEntry[] = [];
  for (const { name } of await checkpointNames(folder)) {
    const path = join(folder, name);
    if (!(await isFinished(path))) continue;
    const { step, score } = await summaryFormat.read(join(path, summaryFile));
    entries.push({ path, step, score });
  }
  return entries;
}

/** The path of the newest finished checkpoint, or undefined where there is none. */
export async function latestCheckpoint(folder: string): Promise<string | undefined> {
  for (const { name } of (await checkpointNames(folder)).reverse()) {
    const path = join(folder, name);
    if (await isFinished(path)) return path;
  }
  return undefined;
}

/** Copying a run by hand may leave a checkpoint in pieces; the summary is its last file. */
async function isFinished(path: string): Promise<boolean> {
  try {
    await access(join(path, summaryFile));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
