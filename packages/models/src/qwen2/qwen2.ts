import type { Family } from '@tunesmith/core';
import { buildDecoder, describeDecoder } from '../decoder/decoder.js';
import type { DecoderConfig } from '../decoder/decoder-config.js';
import { decoderTasks } from '../decoder/decoder-head.js';
import { ignoredDecoderTensors } from '../decoder/decoder-weights.js';
import { parseQwen2Config } from './config.js';

/** Qwen2 and Qwen2.5 (Yang et al. 2024): Llama with a bias on query, key and value, and windows in some layers. */
export const qwen2: Family<DecoderConfig> = {
  name: 'qwen2',
  modelTypes: ['qwen2'],
  tasks: decoderTasks,
  parseConfig: parseQwen2Config,
  describe: describeDecoder,
  build: buildDecoder,
  ignoredTensors: ignoredDecoderTensors,
  defaultTargets: {
    lora: ['q_proj', 'v_proj'],
    adalora: ['q_proj', 'v_proj'],
    ia3: ['q_proj', 'v_proj', 'down_proj'],
    'ia3.feedforward': ['down_proj'],
  },
  adapterModules: { attention: 'attention_adapters', mlp: 'output_adapters' },
};
