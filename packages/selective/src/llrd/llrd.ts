import { apiVersion, defineMethod } from '@tunesmith/core';
import { z } from 'zod';
import { layerDecayGroups } from '../weights/layer-decay.js';
import { layerIndex } from '../weights/layer-index.js';

/** Options of full fine-tuning with layer-wise rates. */
export const llrdConfigSchema = z.object({
  decay: z
    .number()
    .gt(0)
    .max(1)
    .default(0.95)
    .describe(
      'Factor on the learning rate from one layer to the one below it. Default: 0.95, the best for BERT in "How to Fine-Tune BERT for Text Classification?" (Sun et al. 2019).',
    ),
});

/**
 * Full fine-tuning with layer-wise learning-rate decay: every weight trains, lower layers more slowly, because they hold
 * what is most general (Howard and Ruder 2018, §3.2; Sun et al. 2019).
 */
export const llrd = defineMethod({
  name: 'llrd',
  apiVersion,
  summary: 'Train every weight, lower layers with lower learning rates',
  config: llrdConfigSchema,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: true, savesModel: true },
  create: ({ decay }) => ({
    patchModel(patcher) {
      patcher.train(() => true);
      return { groups: layerDecayGroups(layerIndex(patcher), decay) };
    },
  }),
});
