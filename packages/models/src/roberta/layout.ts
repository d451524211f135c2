import { bertBlockNames } from '../encoder/encoder-block.js';
import type { EncoderLayout } from '../encoder/encoder-layout.js';

/** transformers/models/roberta/modeling_roberta.py: RobertaLMHead, RobertaClassificationHead. */
export const robertaLayout: EncoderLayout = {
  prefix: 'roberta',
  blocks: 'encoder.layer',
  block: bertBlockNames,
  positionsAfterPadding: true,
  masked: {
    dense: 'lm_head.dense',
    norm: 'lm_head.layer_norm',
    output: 'lm_head.decoder',
    bias: 'lm_head.bias',
    activation: 'gelu',
  },
  sequence: { dense: 'classifier.dense', role: 'head.transform', activation: 'tanh', output: 'classifier.out_proj' },
};
