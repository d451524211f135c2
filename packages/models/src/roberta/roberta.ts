import type { Family } from '@tunesmith/core';
import { buildEncoder, describeEncoder, encoderTasks } from '../encoder/encoder.js';
import type { EncoderConfig } from '../encoder/encoder-config.js';
import { bertTargets } from '../encoder/encoder-targets.js';
import { encoderAliases } from '../encoder/encoder-weights.js';
import { parseRobertaConfig } from './config.js';
import { robertaLayout } from './layout.js';

/** RoBERTa (Liu et al. 2019), and XLM-RoBERTa (Conneau et al. 2019), which is built alike. */
export const roberta: Family<EncoderConfig> = {
  name: 'roberta',
  modelTypes: ['roberta', 'xlm-roberta'],
  baseModelPrefix: 'roberta',
  tasks: encoderTasks,
  parseConfig: parseRobertaConfig,
  describe: (config) => describeEncoder(config, robertaLayout),
  build: (builder, config, head) => buildEncoder(builder, config, robertaLayout, head),
  weightAliases: encoderAliases('roberta', { 'lm_head.bias': 'lm_head.decoder.bias' }),
  // Positions that older checkpoints store, and heads for other tasks than the one that a model is built for.
  ignoredTensors: /^(roberta\.)?(embeddings\.position_ids$|pooler\.dense\.)|^lm_head\.|^(classifier|qa_outputs)\./,
  blocks: { list: 'encoder.layer', count: 'num_hidden_layers' },
  defaultTargets: { ...bertTargets, adalora: ['query', 'key', 'value', 'dense'] },
};
