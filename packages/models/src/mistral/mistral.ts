import { decoderFamily } from '../decoder/decoder-family.js';
import { parseMistralConfig } from './config.js';

/** Mistral (Jiang et al. 2023): Llama with a sliding window. */
export const mistral = decoderFamily({
  name: 'mistral',
  parseConfig: parseMistralConfig,
  defaultTargets: {
    lora: ['q_proj', 'v_proj'],
    ia3: ['k_proj', 'v_proj', 'down_proj'],
    'ia3.feedforward': ['down_proj'],
  },
});
