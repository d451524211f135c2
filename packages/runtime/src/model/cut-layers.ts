import { rename, rm } from 'node:fs/promises';
import { openModelFolder, writeModelFolder } from '@tunesmith/checkpoints';
import { type Family, isQuantized, type StoredTensor, TunesmithError } from '@tunesmith/core';
import { familyOf } from './load-model.js';

/** Which layers are kept: how many, spread evenly, or which, counted from 0. */
export type KeptLayers = number | readonly number[];

export interface CutModel {
  /** The layers that were kept, by their indices in the model that was cut. */
  readonly layers: readonly number[];
  /** How many that has. */
  readonly of: number;
}

/**
 * Writes a model of some of another's layers, under the embedding, norms and head that it has, with its tokenizer: what a student begins
 * with. Of a number of layers it is the first, the last and those evenly between that are kept, as by "shrink and fine-tune" (Shleifer
 * and Rush 2020, arXiv:2010.13002, §3.1). It is worse than the model that was cut until it is trained. The folder appears whole.
 * @throws CONFIG_INVALID for layers that are not there; CAPABILITY_MISSING where a family does not list its blocks, or of codes
 */
export async function cutLayers(
  from: string,
  to: string,
  kept: KeptLayers,
  families: readonly Family[],
): Promise<CutModel> {
  const folder = await openModelFolder(from);
  try {
    const { config, tensors } = folder;
    const { name, blocks } = familyOf(config, from, families);
    if (blocks === undefined) {
      throw new TunesmithError('CAPABILITY_MISSING', `the layers of a ${name} are not alike, and none is left out`, {
        where: from,
      });
    }
    if (isQuantized(tensors)) {
      throw new TunesmithError('CAPABILITY_MISSING', 'layers are not cut out of codes', {
        where: from,
        hint: 'Cut the checkpoint that it was made of, and quantise the result.',
      });
    }
    const of = Number(config[blocks.count]);
    const layers = layersOf(kept, of);
    const inBlock = new RegExp(`(?<=(?:^|\\.)${blocks.list.replaceAll('.', '\\.')}\\.)\\d+(?=\\.)`);
    const taken = tensors.names().flatMap((path): StoredTensor[] => {
      const tensor = tensors.get(path) as StoredTensor;
      const [layer] = inBlock.exec(path) ?? [];
      if (layer === undefined) return [tensor];
      const at = layers.indexOf(Number(layer));
      if (at === -1) return [];
      const { dtype, shape } = tensor;
      return [{ name: path.replace(inBlock, String(at)), dtype, shape, read: () => tensor.read() }];
    });
    await rm(`${to}.tmp`, { recursive: true, force: true });
    await writeModelFolder(`${to}.tmp`, {
      config: { ...config, ...typesOf(config, layers, from), [blocks.count]: layers.length },
      tensors: taken,
      copyFrom: folder.path,
    });
    await rename(`${to}.tmp`, to);
    return { layers, of };
  } finally {
    await folder.close();
  }
}

/** The layers that are kept of so many. @throws CONFIG_INVALID */
export function layersOf(kept: KeptLayers, of: number): number[] {
  const isCount = typeof kept === 'number';
  const layers = isCount
    ? Array.from({ length: kept }, (_, index) => Math.round((index * (of - 1)) / Math.max(1, kept - 1)))
    : [...kept];
  const isFit = layers.every((layer, index) => layer > (layers[index - 1] ?? -1) && layer < of);
  if (layers.length > 0 && isFit) return layers;
  throw new TunesmithError('CONFIG_INVALID', 'the model has no such layers', {
    where: 'layers',
    expected: isCount ? `1 to ${of}` : `indices of 0 to ${of - 1}, each greater than the one before`,
    got: String(kept),
  });
}

/** What a config says of each layer, of those that are kept. @throws CAPABILITY_MISSING where that hangs on a layer's index alone */
function typesOf(config: Readonly<Record<string, unknown>>, layers: readonly number[], where: string): object {
  const { layer_types: types, use_sliding_window: slides } = config;
  if (Array.isArray(types)) return { layer_types: layers.map((layer) => types[layer] as unknown) };
  if (slides !== true) return {};
  throw new TunesmithError('CAPABILITY_MISSING', 'which layers see a window is said by how many have none', {
    where: `${where}/config.json`,
    expected: '"layer_types" beside "use_sliding_window"',
  });
}
