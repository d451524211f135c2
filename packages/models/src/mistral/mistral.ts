import type { Family } from '@tunesmith/core';
import { buildDecoder, describeDecoder } from '../decoder/decoder.js';
import type { DecoderConfig } from '../decoder/decoder-config.js';
import { decoderTasks } from '../decoder/decoder-head.js';
import { ignoredDecoderTensors } from '../decoder/decoder-weights.js';
import { parseMistralConfig } from './config.js';

/** Mistral (Jiang et al. 2023): Llama with a sliding window. */
export const mistral: Family<DecoderConfig> = {
  name: 'mistral',
  modelTypes: ['mistral'],
  tasks: decoderTasks,
  parseConfig: parseMistralConfig,
  describe: describeDecoder,
  build: buildDecoder,
  ignoredTensors: ignoredDecoderTensors,
  defaultTargets: {
    lora: ['q_proj', 'v_proj'],
    ia3: ['k_proj', 'v_proj', 'down_proj'],
    'ia3.feedforward': ['down_proj'],
  },
  adapterModules: { attention: 'attention_adapters', mlp: 'output_adapters' },
};
