import type { Family } from '@tunesmith/core';
import { buildEncoder, describeEncoder, encoderTasks } from '../encoder/encoder.js';
import type { EncoderConfig } from '../encoder/encoder-config.js';
import { bertTargets } from '../encoder/encoder-targets.js';
import { encoderAliases } from '../encoder/encoder-weights.js';
import { parseBertConfig } from './config.js';
import { bertLayout } from './layout.js';

/** BERT, and what loads as BERT: MiniLM, sentence-transformers' checkpoints. */
export const bert: Family<EncoderConfig> = {
  name: 'bert',
  modelTypes: ['bert'],
  baseModelPrefix: 'bert',
  tasks: encoderTasks,
  parseConfig: parseBertConfig,
  describe: (config) => describeEncoder(config, bertLayout),
  build: (builder, config, head) => buildEncoder(builder, config, bertLayout, head),
  weightAliases: encoderAliases('bert', { 'cls.predictions.bias': 'cls.predictions.decoder.bias' }),
  // Positions that older checkpoints store, and heads for other tasks than the one that a model is built for.
  ignoredTensors: /^(bert\.)?(embeddings\.position_ids$|pooler\.dense\.)|^cls\.|^(classifier|qa_outputs)\./,
  blocks: { list: 'encoder.layer', count: 'num_hidden_layers' },
  defaultTargets: bertTargets,
};
