import {
  latestCheckpoint,
  listCheckpoints,
  pruneCheckpoints,
  readCheckpoint,
  writeCheckpoint,
} from '@tunesmith/checkpoints';
import { type CheckpointStore, type Json, type TrainerCheckpoint, TunesmithError } from '@tunesmith/core';
import { z } from 'zod';

const stateSchema = z.object({
  /** SHA-256 of the recipe that it belongs to. */
  recipe: z.string(),
  trainer: z.json(),
});

/** The best value so far, from the trainer's state: it chose this checkpoint. */
const bestSchema = z.object({ best: z.object({ value: z.number() }) });

export interface CheckpointFolder extends CheckpointStore {
  /** The newest checkpoint, or null where there is none. @throws CONFIG_INVALID if the recipe has changed since */
  latest(): Promise<TrainerCheckpoint | null>;
  /** The checkpoint with the lowest validation loss, or null where none was evaluated. */
  best(): Promise<TrainerCheckpoint | null>;
}

export interface CheckpointFolderOptions {
  readonly folder: string;
  readonly recipeHash: string;
  /** Newest checkpoints to keep, beside the best one. */
  readonly keep: number;
  /** Called before each is written, to put on the disk what it says has happened. */
  readonly beforeSave: () => void;
}

/** A run's checkpoints on disk: each appears whole or not at all. */
export function openCheckpointFolder({
  folder,
  recipeHash,
  keep,
  beforeSave,
}: CheckpointFolderOptions): CheckpointFolder {
  return {
    async save({ step, tensors, state }, { best }) {
      beforeSave();
      await writeCheckpoint(folder, {
        step,
        tensors: Object.fromEntries(tensors.map(({ name, shape, data }) => [name, { shape, values: data }])),
        state: { recipe: recipeHash, trainer: state },
        ...(best ? { score: bestSchema.parse(state).best.value } : {}),
      });
      await pruneCheckpoints(folder, { keepLast: keep, keepBest: 1 });
    },
    async latest() {
      const path = await latestCheckpoint(folder);
      return path === undefined ? null : read(path, recipeHash);
    },
    async best() {
      const scored = (await listCheckpoints(folder)).filter(({ score }) => score !== undefined);
      const [best] = scored.sort((a, b) => (a.score as number) - (b.score as number));
      return best === undefined ? null : read(best.path, recipeHash);
    },
  };
}

async function read(path: string, recipeHash: string): Promise<TrainerCheckpoint> {
  const { step, tensors, state } = await readCheckpoint(path);
  const { recipe, trainer } = stateSchema.parse(state);
  if (recipe !== recipeHash) {
    throw new TunesmithError('CONFIG_INVALID', 'the recipe has changed since this checkpoint', {
      where: path,
      hint: 'Restore the run’s recipe.yaml, or start a new run.',
    });
  }
  return {
    step,
    tensors: Object.entries(tensors).map(([name, { shape, values }]) => ({ name, shape, data: values })),
    state: trainer as Json,
  };
}
