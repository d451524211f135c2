import { apiVersion, defineMethod } from '@tunesmith/core';
import { attendToPrefix } from '../attention-prefix.js';
import { prefixToPeft, promptHeadName, promptName, readPromptConfig } from '../checkpoint.js';
import { prefixOf } from '../prefix-encoder.js';
import { prefixTuningConfigSchema } from './config.js';

const name = 'prefix-tuning';

/**
 * Prefix tuning (Li & Liang 2021): trained keys and values before those of every text, in every layer, and a frozen
 * model. Names, starts and files are PEFT's (peft/tuners/prefix_tuning).
 */
export const prefixTuning = defineMethod({
  name,
  apiVersion,
  summary: 'Trained keys and values before every text, in every layer',
  config: prefixTuningConfigSchema,
  capabilities: { mergeable: false, identityAtInit: false, trainsBase: false, quantizedBase: true },
  fromPeft: (peft) => readPromptConfig(peft, 'PREFIX_TUNING'),
  create: (config) => ({
    patchModel(patcher) {
      attendToPrefix(patcher, prefixOf(patcher, name, config), config.virtualTokens);
    },
    peftConfig: (model) => prefixToPeft(model, config.virtualTokens),
    adapterName: promptName,
    headName: promptHeadName,
  }),
});
