import { apiVersion, defineMethod, normal } from '@tunesmith/core';
import { promptHeadName, promptName, promptOfEncoder, promptToPeft, readPromptConfig } from '../checkpoint.js';
import { tokenEmbedding } from '../token-embedding.js';
import { pTuningConfigSchema } from './config.js';
import { promptEncoder } from './prompt-encoder.js';

/**
 * P-tuning (Liu et al. 2021a): embeddings before those of every text that a small encoder computes, so that they depend
 * on one another while they are trained. Names, starts and files are PEFT's (peft/tuners/p_tuning); what is saved is a
 * prompt as prompt tuning has it.
 */
export const pTuning = defineMethod({
  name: 'p-tuning',
  apiVersion,
  summary: 'Embeddings before every text, computed by a trained encoder',
  config: pTuningConfigSchema,
  capabilities: { mergeable: false, identityAtInit: false, trainsBase: false, quantizedBase: true },
  fromPeft(peft) {
    const config = readPromptConfig(peft, 'P_TUNING');
    return config && { ...config, encoder: 'none' as const };
  },
  create: (config) => ({
    patchModel(patcher) {
      const { features } = tokenEmbedding(patcher.sites('embedding'));
      const { virtualTokens: count, encoder } = config;
      const prompt =
        encoder === 'none'
          ? patcher.parameter('prompt_embeddings', { shape: [count, features], init: normal(1) })
          : patcher.derived('prompt_embeddings', (scope) => promptEncoder(scope, config, features));
      patcher.reserve(count, prompt);
    },
    peftConfig: (model) => ({
      ...promptToPeft('P_TUNING', model, config.virtualTokens),
      encoder_reparameterization_type: config.encoder === 'lstm' ? 'LSTM' : 'MLP',
      encoder_num_layers: 2,
      encoder_dropout: 0,
    }),
    adapterName: promptName,
    headName: promptHeadName,
    importAdapter: (source) => promptOfEncoder(source, config.virtualTokens),
  }),
});
