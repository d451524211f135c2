import { decoderFamily } from '../decoder/decoder-family.js';
import { decoderGguf } from '../decoder/decoder-gguf.js';
import { parseQwen2Config } from './config.js';

/** Qwen2 and Qwen2.5 (Yang et al. 2024): Llama with a bias on query, key and value, and windows in some layers. */
export const qwen2 = decoderFamily({
  name: 'qwen2',
  answerTrunk: 'transformer',
  parseConfig: parseQwen2Config,
  defaultTargets: {
    lora: ['q_proj', 'v_proj'],
    adalora: ['q_proj', 'v_proj'],
    ia3: ['q_proj', 'v_proj', 'down_proj'],
    'ia3.feedforward': ['down_proj'],
  },
  gguf: decoderGguf({
    architecture: 'qwen2',
    className: 'Qwen2ForCausalLM',
  }),
});
