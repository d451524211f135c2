import { type Handle, type RunLength, type Stage, TunesmithError } from '@tunesmith/core';
import { layerIndex } from '../weights/layer-index.js';
import type { GradualUnfreezingConfig } from './config.js';

type GroupOptions = Pick<GradualUnfreezingConfig, 'layers' | 'layersAtOnce'>;
type LengthOptions = Pick<GradualUnfreezingConfig, 'every' | 'unit'>;

/** What thaws together: everything from a layer up trains then. */
export interface ThawingGroup {
  readonly name: string;
  /** As `layerIndex` counts. */
  readonly lowest: number;
}

/**
 * The groups from the top down: what lies after the blocks, then `layersAtOnce` blocks at a time, then the embeddings.
 * Where nothing but norms lies after the blocks, because the head is tied to the embeddings, it thaws with the first blocks.
 */
export function thawingGroups(weights: readonly Handle[], { layers, layersAtOnce }: GroupOptions): ThawingGroup[] {
  const index = layerIndex({ weights });
  if (layers !== 'all' && layers > index.layers) {
    throw new TunesmithError('CONFIG_INVALID', 'the model has fewer layers', {
      where: 'gradual-unfreezing.layers',
      expected: `at most ${index.layers}`,
      got: String(layers),
    });
  }
  const last = layers === 'all' ? 0 : index.layers - layers;
  const groups: ThawingGroup[] = [];
  const hasMatrix = weights.some((handle) => index.of(handle) === index.layers && handle.shape.length > 1);
  if (hasMatrix) groups.push({ name: 'top', lowest: index.layers });
  for (let top = index.layers; top > last; top -= layersAtOnce) {
    const lowest = Math.max(last, top - layersAtOnce);
    groups.push({ name: `layer ${lowest}`, lowest });
  }
  return layers === 'all' ? [...groups, { name: 'embeddings', lowest: -1 }] : groups;
}

/** A stage for each of them. @throws CONFIG_INVALID for a run that ends before the last begins */
export function unfreezingStages(
  groups: readonly ThawingGroup[],
  { steps, stepsPerEpoch }: RunLength,
  { every, unit }: LengthOptions,
): Stage[] {
  const startOf = (group: number): number =>
    every === 'even' ? Math.floor((group * steps) / groups.length) : group * stepsOf(every, unit, stepsPerEpoch);
  const lastStart = startOf(groups.length - 1);
  if (lastStart >= steps) {
    throw new TunesmithError('CONFIG_INVALID', 'the run ends before everything has thawed', {
      where: 'gradual-unfreezing',
      expected: `more than ${lastStart} steps for ${groups.length} groups`,
      got: `${steps} steps`,
      hint: 'Train longer, thaw several layers at once (`layersAtOnce`), fewer in all (`layers`), or `every: even`.',
    });
  }
  return groups.flatMap(({ name, lowest }, group): Stage[] => {
    const length = group === groups.length - 1 ? steps - lastStart : startOf(group + 1) - startOf(group);
    if (length === 0) return []; // Fewer steps than groups, evenly: some thaw together.
    return [{ name, run: 'train', length, enter: async () => ({ memory: lowest }) }];
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
