import type { Family } from '@tunesmith/core';
import { parseT5Config, type T5Config } from './config.js';
import { buildT5, describeT5 } from './forward.js';

/** T5 1.0 (Raffel et al. 2020), 1.1 and Flan-T5 (Chung et al. 2022). */
export const t5: Family<T5Config> = {
  name: 't5',
  modelTypes: ['t5'],
  tasks: ['seq2seq-lm'],
  parseConfig: parseT5Config,
  describe: describeT5,
  build: buildT5,
  // transformers 5 leaves a head out that equals the embedding, be it the embedding or not.
  weightAliases: (path) => (path === 'lm_head.weight' ? ['shared.weight'] : []),
  // The embedding under the names of those who share it, and a table that T5's first conversion stored and nobody reads.
  ignoredTensors:
    /^(encoder|decoder)\.embed_tokens\.weight$|^decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$/,
  defaultTargets: {
    lora: ['q', 'v'],
    adalora: ['q', 'k', 'v', 'o', 'wi', 'wo'],
    ia3: ['k', 'v', 'wo'],
    'ia3.feedforward': ['wo'],
  },
};
