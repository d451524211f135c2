import type { Family } from '@tunesmith/core';
import type { T5Config } from '../t5/config.js';
import { t5 } from '../t5/t5.js';
import { parseSwitchConfig } from './config.js';

/** Switch Transformers (Fedus et al. 2021): T5 with experts in the place of some feed-forward layers, one to a token. */
export const switchTransformers: Family<T5Config> = {
  ...t5,
  name: 'switch-transformers',
  modelTypes: ['switch_transformers'],
  parseConfig: parseSwitchConfig,
};
