import type { Family } from '@tunesmith/core';
import { buildEncoder, describeEncoder, encoderTasks } from '../encoder/encoder.js';
import type { EncoderConfig } from '../encoder/encoder-config.js';
import { encoderAliases } from '../encoder/encoder-weights.js';
import { parseDistilbertConfig } from './config.js';
import { distilbertLayout } from './layout.js';

/** DistilBERT (Sanh et al. 2019). PEFT has no default targets for it; those here are BERT's by its names. */
export const distilbert: Family<EncoderConfig> = {
  name: 'distilbert',
  modelTypes: ['distilbert'],
  baseModelPrefix: 'distilbert',
  tasks: encoderTasks,
  parseConfig: parseDistilbertConfig,
  describe: (config) => describeEncoder(config, distilbertLayout),
  build: (builder, config, head) => buildEncoder(builder, config, distilbertLayout, head),
  weightAliases: encoderAliases('distilbert'),
  // Positions that older checkpoints store, and heads for other tasks than the one that a model is built for.
  ignoredTensors: /^(distilbert\.)?embeddings\.position_ids$|^(vocab_\w+|pre_classifier|classifier|qa_outputs)\./,
  blocks: { list: 'transformer.layer', count: 'n_layers' },
  defaultTargets: {
    lora: ['q_lin', 'v_lin'],
    adalora: ['q_lin', 'v_lin'],
    ia3: ['k_lin', 'v_lin', 'lin2'],
    'ia3.feedforward': ['lin2'],
  },
  adapterModules: { attention: 'attention_adapters', mlp: 'output_adapters' },
};
