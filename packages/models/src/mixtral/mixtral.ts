import { decoderFamily } from '../decoder/decoder-family.js';
import { parseMixtralConfig, withMixtralExperts } from './config.js';

/** Mixtral (Jiang et al. 2024): Mistral with a mixture of experts in the place of each feed-forward layer. */
export const mixtral = decoderFamily({
  name: 'mixtral',
  parseConfig: parseMixtralConfig,
  withExperts: withMixtralExperts,
  defaultTargets: {
    lora: ['q_proj', 'v_proj'],
    adalora: ['q_proj', 'v_proj'],
    ia3: ['k_proj', 'v_proj', 'w2'],
    'ia3.feedforward': ['w2'],
  },
  stackedModules: {
    modules: 'block_sparse_moe.experts',
    stackedIn: 'mlp.experts',
    parameters: { gate_up_proj: ['w1', 'w3'], down_proj: ['w2'] },
  },
});
