import { type Handle, type RunLength, type Stage, TunesmithError } from '@tunesmith/core';
import { layerIndex } from '../weights/layer-index.js';
import type { GradualUnfreezingConfig } from './config.js';

type GroupOptions = Pick<GradualUnfreezingConfig, 'layers' | 'layersAtOnce'>;
type LengthOptions = Pick<GradualUnfreezingConfig, 'every' | 'unit'>;

/**
 * The lowest layer that trains in each stage, from the top down: what lies after the blocks, then `layersAtOnce` blocks at
 * a time, then the embeddings. Where nothing but norms lies after the blocks, because the head is tied to the embeddings,
 * it thaws with the first blocks.
 */
export function lowestLayers(weights: readonly Handle[], { layers, layersAtOnce }: GroupOptions): number[] {
  const index = layerIndex({ weights });
  if (layers !== 'all' && layers > index.layers) {
    throw new TunesmithError('CONFIG_INVALID', 'the model has fewer layers', {
      where: 'gradual-unfreezing.layers',
      expected: `at most ${index.layers}`,
      got: String(layers),
    });
  }
  const last = layers === 'all' ? 0 : index.layers - layers;
  const lowest: number[] = [];
  if (weights.some((handle) => index.of(handle) === index.layers && handle.shape.length > 1)) lowest.push(index.layers);
  for (let top = index.layers; top > last; top -= layersAtOnce) lowest.push(Math.max(last, top - layersAtOnce));
  return layers === 'all' ? [...lowest, -1] : lowest;
}

/** A stage for each of them. @throws CONFIG_INVALID for a run that ends before the last begins */
export function unfreezingStages(
  lowest: readonly number[],
  { steps, stepsPerEpoch }: RunLength,
  { every, unit }: LengthOptions,
): Stage[] {
  const startOf = (group: number): number =>
    every === 'even' ? Math.floor((group * steps) / lowest.length) : group * stepsOf(every, unit, stepsPerEpoch);
  const lastStart = startOf(lowest.length - 1);
  if (lastStart >= steps) {
    throw new TunesmithError('CONFIG_INVALID', 'the run ends before everything has thawed', {
      where: 'gradual-unfreezing',
      expected: `more than ${lastStart} steps for ${lowest.length} groups`,
      got: `${steps} steps`,
      hint: 'Train longer, thaw several layers at once (`layersAtOnce`), fewer in all (`layers`), or `every: even`.',
    });
  }
  return lowest.flatMap((layer, group): Stage[] => {
    const length = group === lowest.length - 1 ? steps - lastStart : startOf(group + 1) - startOf(group);
    if (length === 0) return []; // Fewer steps than groups, evenly: some thaw together.
    return [{ name: stageName(layer, lowest), run: 'train', length, enter: async () => ({ memory: layer }) }];
  });
}

function stepsOf(every: number, unit: LengthOptions['unit'], stepsPerEpoch: number | null): number {
  if (unit === 'step') return Math.max(1, Math.round(every));
  if (stepsPerEpoch !== null) return Math.max(1, Math.round(every * stepsPerEpoch));
  throw new TunesmithError('CONFIG_INVALID', 'the rows of this data cannot be counted, and so no epochs', {
    where: 'gradual-unfreezing.unit',
    hint: 'Thaw by steps.',
  });
}

function stageName(layer: number, lowest: readonly number[]): string {
  if (layer === -1) return 'embeddings';
  return layer > Math.max(...lowest.slice(1)) ? 'top' : `layer ${layer}`;
}
