import { decoderFamily } from '../decoder/decoder-family.js';
import { decoderGguf } from '../decoder/decoder-gguf.js';
import { parseLlamaConfig } from './config.js';

/** Llama 1 to 3 (Touvron et al. 2023; Grattafiori et al. 2024) and those built like it: SmolLM, SmolLM2, TinyLlama. */
export const llama = decoderFamily({
  name: 'llama',
  answerTrunk: 'transformer',
  parseConfig: parseLlamaConfig,
  defaultTargets: {
    lora: ['q_proj', 'v_proj'],
    adalora: ['q_proj', 'v_proj'],
    ia3: ['k_proj', 'v_proj', 'down_proj'],
    'ia3.feedforward': ['down_proj'],
  },
  gguf: decoderGguf({
    architecture: 'llama',
    className: 'LlamaForCausalLM',
    pairedRotary: true,
    biases: { attention_bias: 'attn_q.bias', mlp_bias: 'ffn_up.bias' },
  }),
});
