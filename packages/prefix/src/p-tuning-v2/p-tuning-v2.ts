import { apiVersion, defineMethod } from '@tunesmith/core';
import { attendToPrefix } from '../attention-prefix.js';
import { prefixToPeft, promptHeadName, promptName, readPromptConfig } from '../checkpoint.js';
import { prefixOf } from '../prefix-encoder.js';
import { pTuningV2ConfigSchema } from './config.js';

const name = 'p-tuning-v2';

/**
 * P-tuning v2 (Liu et al. 2021b): a prefix in every layer, as prefix tuning has, with dropout on it and the reference
 * implementation's defaults (THUDM/P-tuning-v2, arguments.py and model/prefix_encoder.py). An adapter is one of prefix
 * tuning.
 */
export const pTuningV2 = defineMethod({
  name,
  apiVersion,
  summary: 'Prefix tuning with dropout, as for understanding tasks',
  config: pTuningV2ConfigSchema,
  capabilities: { mergeable: false, identityAtInit: false, trainsBase: false, quantizedBase: true },
  fromPeft: (peft) => readPromptConfig(peft, 'PREFIX_TUNING'),
  create: (config) => ({
    patchModel(patcher) {
      attendToPrefix(patcher, prefixOf(patcher, name, config), config.virtualTokens, config.dropout);
    },
    peftConfig: (model) => prefixToPeft(model, config.virtualTokens),
    adapterName: promptName,
    headName: promptHeadName,
  }),
});
