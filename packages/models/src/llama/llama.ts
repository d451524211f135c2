import type { Family } from '@tunesmith/core';
import { buildDecoder, describeDecoder } from '../decoder/decoder.js';
import type { DecoderConfig } from '../decoder/decoder-config.js';
import { decoderTasks } from '../decoder/decoder-head.js';
import { ignoredDecoderTensors } from '../decoder/decoder-weights.js';
import { parseLlamaConfig } from './config.js';

/** Llama 1 to 3 (Touvron et al. 2023; Grattafiori et al. 2024) and those built like it: SmolLM, SmolLM2, TinyLlama. */
export const llama: Family<DecoderConfig> = {
  name: 'llama',
  modelTypes: ['llama'],
  tasks: decoderTasks,
  parseConfig: parseLlamaConfig,
  describe: describeDecoder,
  build: buildDecoder,
  ignoredTensors: ignoredDecoderTensors,
  defaultTargets: {
    lora: ['q_proj', 'v_proj'],
    adalora: ['q_proj', 'v_proj'],
    ia3: ['k_proj', 'v_proj', 'down_proj'],
    'ia3.feedforward': ['down_proj'],
  },
  adapterModules: { attention: 'attention_adapters', mlp: 'output_adapters' },
};
