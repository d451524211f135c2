import { type DownloadProgress, downloadModel } from '@tunesmith/checkpoints';
import { TunesmithError } from '@tunesmith/core';
import type { Recipe } from '../recipe/recipe.js';
import type { HubSettings, OnPhase } from './engine.js';

export interface LocatedModel {
  /** What `openBase` takes: a folder, or a GGUF file. */
  readonly path: string;
  /** The recipe's model, with the commit that a Hub name stood for. */
  readonly model: Recipe['model'];
}

/** The folder of a recipe's model: its path, or a snapshot that is downloaded unless the cache has it. */
export async function locateModel(
  model: Recipe['model'],
  hub: HubSettings | undefined,
  onPhase: OnPhase = () => {},
  signal?: AbortSignal,
): Promise<LocatedModel> {
  if (model.path !== undefined) return { path: model.path, model };
  const name = model.name as string;
  if (hub === undefined) {
    throw new TunesmithError('CAPABILITY_MISSING', 'models are not downloaded here', {
      where: name,
      hint: 'Give the folder of a model, or Hub settings.',
    });
  }
  const { path, commit } = await downloadModel(name, {
    ...hub,
    ...(model.revision === undefined ? {} : { revision: model.revision }),
    ...(signal === undefined ? {} : { signal }),
    onProgress: (progress) => onPhase(`downloading ${name} (${percent(progress)} %)`),
  });
  return { path, model: { ...model, revision: commit } };
}

function percent({ loadedBytes, totalBytes }: DownloadProgress): number {
  return totalBytes === 0 ? 100 : Math.floor((100 * loadedBytes) / totalBytes);
}
