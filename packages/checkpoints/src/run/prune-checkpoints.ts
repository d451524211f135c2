import { TunesmithError } from '@tunesmith/core';
import { removeCheckpoint, removeLeftovers } from './checkpoint-files.js';
import { listCheckpoints } from './list-checkpoints.js';

/** Which checkpoints a run keeps. */
export interface Retention {
  /** How many of the newest to keep, at least 1. */
  readonly keepLast: number;
  /** How many of those with the lowest score to keep beside them. */
  readonly keepBest?: number;
}

/** Removes all checkpoints but the newest and the best. Only a run's one writer may call it. */
export async function pruneCheckpoints(folder: string, { keepLast, keepBest = 0 }: Retention): Promise<void> {
  if (!Number.isInteger(keepLast) || keepLast < 1) {
    const got = String(keepLast);
    throw new TunesmithError('CONFIG_INVALID', 'a run keeps its last checkpoint', { expected: 'keepLast ≥ 1', got });
  }
  await removeLeftovers(folder);
  const entries = await listCheckpoints(folder);
  const best = entries
    .filter(({ score }) => score !== undefined)
    .sort((a, b) => (a.score as number) - (b.score as number))
    .slice(0, keepBest);
  const kept = new Set([...entries.slice(-keepLast), ...best]);
  for (const entry of entries) if (!kept.has(entry)) await removeCheckpoint(entry.path);
}
