import type { Family } from '@tunesmith/core';
import { buildEncoder, describeEncoder, encoderTasks } from '../encoder/encoder.js';
import type { EncoderConfig } from '../encoder/encoder-config.js';
import { bertTargets } from '../encoder/encoder-targets.js';
import { encoderAliases } from '../encoder/encoder-weights.js';
import { parseElectraConfig } from './config.js';
import { electraLayout } from './layout.js';

/** ELECTRA (Clark et al. 2020): BERT's blocks behind embeddings that may be narrower. PEFT's defaults are LoRA's only. */
export const electra: Family<EncoderConfig> = {
  name: 'electra',
  modelTypes: ['electra'],
  baseModelPrefix: 'electra',
  tasks: encoderTasks,
  parseConfig: parseElectraConfig,
  describe: (config) => describeEncoder(config, electraLayout),
  build: (builder, config, head) => buildEncoder(builder, config, electraLayout, head),
  weightAliases: encoderAliases('electra'),
  // Positions that older checkpoints store, and heads for other tasks than the one that a model is built for.
  ignoredTensors:
    /^(electra\.)?embeddings\.position_ids$|^(generator_predictions|generator_lm_head|discriminator_predictions|classifier|qa_outputs)\./,
  blocks: { list: 'encoder.layer', count: 'num_hidden_layers' },
  defaultTargets: bertTargets,
};
