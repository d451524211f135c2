import { openModelFolder, writeModelFolder } from '@tunesmith/checkpoints';
import type { StoredTensor } from '@tunesmith/core';

/** Writes a decoder's folder with its first layers alone, under the embedding, norm and head that it has. */
export async function writeCutStudent(from: string, to: string, layers: number): Promise<void> {
  const { config, tensors, close } = await openModelFolder(from);
  const kept = tensors.names().filter((name) => Number(/\.layers\.(\d+)\./.exec(name)?.[1] ?? 0) < layers);
  await writeModelFolder(to, {
    config: { ...config, num_hidden_layers: layers },
    tensors: kept.map((name) => tensors.get(name) as StoredTensor),
    copyFrom: from,
  });
  await close();
}
