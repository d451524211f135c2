import type { Family } from '@tunesmith/core';
import { decoderTasks } from '../decoder/decoder-head.js';
import { type Gpt2Config, parseGpt2Config } from './config.js';
import { buildGpt2 } from './forward.js';
import { gpt2Aliases, ignoredGpt2Tensors } from './weights.js';

export const gpt2: Family<Gpt2Config> = {
  name: 'gpt2',
  modelTypes: ['gpt2'],
  baseModelPrefix: 'transformer',
  tasks: decoderTasks,
  parseConfig: parseGpt2Config,
  describe: ({ vocabularySize, hiddenSize, layers, maxPositions }) => ({
    vocabularySize,
    hiddenSize,
    layers,
    maxPositions,
  }),
  build: buildGpt2,
  weightAliases: gpt2Aliases,
  ignoredTensors: ignoredGpt2Tensors,
  blocks: { list: 'h', count: 'n_layer' },
  defaultTargets: {
    lora: ['c_attn'],
    adalora: ['c_attn'],
    ia3: ['c_attn', 'mlp.c_proj'],
    'ia3.feedforward': ['mlp.c_proj'],
  },
  adapterModules: { attention: 'attention_adapters', mlp: 'output_adapters' },
  fanInFanOut: true,
};
