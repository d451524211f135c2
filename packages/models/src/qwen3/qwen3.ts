import type { Family } from '@tunesmith/core';
import { buildDecoder, describeDecoder } from '../decoder/decoder.js';
import type { DecoderConfig } from '../decoder/decoder-config.js';
import { decoderTasks } from '../decoder/decoder-head.js';
import { ignoredDecoderTensors } from '../decoder/decoder-weights.js';
import { parseQwen3Config } from './config.js';

/** Qwen3's dense models (Yang et al. 2025): Llama with RMS norms over each head's query and key. */
export const qwen3: Family<DecoderConfig> = {
  name: 'qwen3',
  modelTypes: ['qwen3'],
  tasks: decoderTasks,
  parseConfig: parseQwen3Config,
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
