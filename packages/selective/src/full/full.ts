import { apiVersion, defineMethod } from '@tunesmith/core';
import { z } from 'zod';

/** Options of full fine-tuning: there are none. */
export const fullConfigSchema = z.object({});

/** Full fine-tuning: every weight of the checkpoint trains. The result is a model of its own, not an adapter. */
export const full = defineMethod({
  name: 'full',
  apiVersion,
  summary: 'Train every weight of the model',
  config: fullConfigSchema,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: true, savesModel: true },
  create: () => ({
    patchModel(patcher) {
      patcher.train(() => true);
    },
  }),
});
