import { decoderFamily } from '../decoder/decoder-family.js';
import { decoderGguf } from '../decoder/decoder-gguf.js';
import { parseQwen3Config } from './config.js';

/** Qwen3's dense models (Yang et al. 2025): Llama with RMS norms over each head's query and key. */
export const qwen3 = decoderFamily({
  name: 'qwen3',
  answerTrunk: 'transformer',
  parseConfig: parseQwen3Config,
  defaultTargets: {
    lora: ['q_proj', 'v_proj'],
    adalora: ['q_proj', 'v_proj'],
    ia3: ['q_proj', 'v_proj', 'down_proj'],
    'ia3.feedforward': ['down_proj'],
  },
  gguf: decoderGguf({
    architecture: 'qwen3',
    className: 'Qwen3ForCausalLM',
    biases: { attention_bias: 'attn_q.bias' },
  }),
});
