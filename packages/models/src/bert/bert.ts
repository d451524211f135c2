import type { Family } from '@tunesmith/core';
import { encoderTasks } from '../encoder/encoder.js';
import { type EncoderConfig, parseEncoderConfig } from '../encoder/encoder-config.js';
import { encoderAliases } from '../encoder/encoder-weights.js';
import { buildBert } from './forward.js';

/** BERT, and what loads as BERT: MiniLM, sentence-transformers' checkpoints. */
export const bert: Family<EncoderConfig> = {
  name: 'bert',
  modelTypes: ['bert'],
  tasks: encoderTasks,
  parseConfig: parseEncoderConfig,
  describe: ({ vocabularySize, hiddenSize, layers, positions }) => ({
    vocabularySize,
    hiddenSize,
    layers,
    maxPositions: positions,
  }),
  build: buildBert,
  weightAliases: encoderAliases('bert', { 'cls.predictions.bias': 'cls.predictions.decoder.bias' }),
  // Positions that older checkpoints store, and heads for other tasks than the one that a model is built for.
  ignoredTensors: /^(bert\.)?(embeddings\.position_ids$|pooler\.dense\.)|^cls\.|^classifier\./,
  defaultTargets: {
    lora: ['query', 'value'],
    adalora: ['query', 'value'],
    ia3: ['key', 'value', 'output.dense'],
    'ia3.feedforward': ['output.dense'],
  },
};
