import { apiVersion, defineMethod } from '@tunesmith/core';
import { layerDecayGroups } from '../weights/layer-decay.js';
import { layerIndex } from '../weights/layer-index.js';
import { gradualUnfreezingConfigSchema } from './config.js';
import { thawingGroups, unfreezingStages } from './unfreezing-plan.js';

/**
 * Gradual unfreezing (ULMFiT, Howard and Ruder 2018, §3.3): the last layer trains first, and one group after another
 * thaws below it, so that the first, large errors don't reach what the lower layers know. What is frozen still is in no
 * update, and what thaws begins with Adam's step count at one.
 */
export const gradualUnfreezing = defineMethod({
  name: 'gradual-unfreezing',
  apiVersion,
  summary: 'Train the last layer, then one more after another, down to the embeddings',
  config: gradualUnfreezingConfigSchema,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: true, savesModel: true },
  create: (config) => ({
    stages: (run, weights) => unfreezingStages(thawingGroups(weights, config), run, config),

    patchModel(patcher) {
      const index = layerIndex(patcher);
      // Outside a run, as for a plan of one, everything that will have thawed.
      const lowest = (patcher.stage?.memory ?? thawingGroups(patcher.weights, config).at(-1)?.lowest) as number;
      patcher.train((handle) => index.of(handle) >= lowest);
      return { groups: layerDecayGroups(index, config.layerDecay) };
    },
  }),
});
