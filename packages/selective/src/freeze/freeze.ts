import { apiVersion, defineMethod, type Handle, type Patcher, TunesmithError } from '@tunesmith/core';
import { layerDecayGroups } from '../weights/layer-decay.js';
import { type LayerIndex, layerIndex } from '../weights/layer-index.js';
import { moduleMatcher } from '../weights/module-matcher.js';
import { type FreezeConfig, freezeConfigSchema } from './config.js';

/**
 * Freezing: some of the model's own weights train, by default the last blocks, and the rest are no part of the backward
 * pass, which ends at the lowest trained layer (Lee et al. 2019, "What Would Elsa Do?"). The file holds what was trained.
 */
export const freeze = defineMethod({
  name: 'freeze',
  apiVersion,
  summary: 'Train the last layers, or any choice of modules, and freeze the rest',
  config: freezeConfigSchema,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: true },
  create: (config) => ({
    patchModel(patcher) {
      const index = layerIndex(patcher);
      patcher.train(selection(config, patcher, index));
      return { groups: layerDecayGroups(index, config.layerDecay) };
    },
  }),
});

/** The weights that a config trains: those of its layers within its modules, and the extra ones, but none that it freezes. */
function selection(
  { layers, top, modules, extraModules, frozenModules }: FreezeConfig,
  { weights }: Patcher,
  index: LayerIndex,
): (handle: Handle) => boolean {
  if (layers !== 'all' && layers > index.layers) {
    throw new TunesmithError('CONFIG_INVALID', 'the model has fewer layers', {
      where: 'freeze.layers',
      expected: `at most ${index.layers}`,
      got: String(layers),
    });
  }
  const inside = (option: string, names: FreezeConfig['modules'], otherwise: boolean) =>
    names === undefined ? () => otherwise : moduleMatcher(names, weights, `freeze.${option}`);
  const lowest = layers === 'all' ? -1 : index.layers - layers;
  const inLayers = (handle: Handle): boolean => {
    const layer = index.of(handle);
    return layer === index.layers ? top : layer >= lowest;
  };
  const inModules = inside('modules', modules, true);
  const isExtra = inside('extraModules', extraModules, false);
  const isFrozen = inside('frozenModules', frozenModules, false);
  return (handle) => !isFrozen(handle) && (isExtra(handle) || (inLayers(handle) && inModules(handle)));
}
