import { apiVersion, defineMethod } from '@tunesmith/core';
import { promptHeadName, promptName, promptOfEncoder, promptToPeft, readPromptConfig } from '../checkpoint.js';
import { tokenEmbedding } from '../token-embedding.js';
import { promptTuningConfigSchema } from './config.js';
import { promptStart } from './prompt-start.js';

/**
 * Prompt tuning (Lester et al. 2021): trained embeddings before those of every text, and a frozen model. Names and files
 * are PEFT's (peft/tuners/prompt_tuning).
 */
export const promptTuning = defineMethod({
  name: 'prompt-tuning',
  apiVersion,
  summary: 'Trained embeddings before every text',
  config: promptTuningConfigSchema,
  capabilities: { mergeable: false, identityAtInit: false, trainsBase: false, quantizedBase: true },
  fromPeft(peft) {
    const config = readPromptConfig(peft, 'PROMPT_TUNING');
    return config && { ...config, init: 'random' as const };
  },
  create: (config) => ({
    patchModel(patcher) {
      const embedding = tokenEmbedding(patcher.sites('embedding'));
      const shape = [config.virtualTokens, embedding.features];
      const prompt = patcher.parameter('prompt_embeddings', { shape, init: promptStart(config, embedding) });
      patcher.reserve(config.virtualTokens, prompt);
    },
    // RANDOM: how it started no longer matters, and TEXT would have PEFT look for a tokenizer.
    peftConfig: (model) => ({
      ...promptToPeft('PROMPT_TUNING', model, config.virtualTokens),
      prompt_tuning_init: 'RANDOM',
    }),
    adapterName: promptName,
    headName: promptHeadName,
    importAdapter: (source) => promptOfEncoder(source, config.virtualTokens),
  }),
});
