import { type CollateOptions, createExecutableCache, type ExecutableCache } from '@tunesmith/core';
import type { Dataset } from '@tunesmith/data';
import {
  type LoadedModel,
  maxLengthOf,
  type ObjectiveSettings,
  type Objectives,
  openData,
  type Recipe,
} from '@tunesmith/runtime';

/** A file that a model is measured on, and how. */
export interface Split {
  readonly file: string;
  readonly data: Recipe['data'];
  readonly objective: ObjectiveSettings;
  /** The plugins' objectives, where it is one of them. */
  readonly objectives: Objectives;
  readonly batchSize: number;
  readonly cacheFolder: string;
}

export interface OpenSplit {
  readonly rows: Dataset;
  readonly executables: ExecutableCache;
  readonly collate: CollateOptions;
}

/** Opens a split for a model while it is used: its rows in the file's order, one example each, by their answers alone. */
export async function withSplit<Result>(
  { model, parameters, backend, tokenizer }: LoadedModel,
  { file, data, objective, objectives, batchSize, cacheFolder }: Split,
  use: (split: OpenSplit) => Promise<Result>,
): Promise<Result> {
  const maxLength = maxLengthOf(data, model.shape);
  const { validation: _, ...read } = data;
  const { train: rows } = await openData(
    { ...read, train: file, shuffle: false, packing: false, promptLossWeight: 0 },
    { tokenizer, maxLength, seed: 0, objective, objectives, cacheFolder },
  );
  const executables = createExecutableCache(backend, parameters.tensors);
  try {
    return await use({ rows, executables, collate: { rows: batchSize, maxLength, padToken: tokenizer.padId } });
  } finally {
    await executables.dispose();
  }
}
