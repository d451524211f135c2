import { bertBlockNames } from '../encoder/encoder-block.js';
import type { EncoderLayout } from '../encoder/encoder-layout.js';

/** transformers/models/electra/modeling_electra.py: ElectraGeneratorPredictions, ElectraClassificationHead. */
export const electraLayout: EncoderLayout = {
  prefix: 'electra',
  blocks: 'encoder.layer',
  block: bertBlockNames,
  positionsAfterPadding: false,
  masked: {
    dense: 'generator_predictions.dense',
    norm: 'generator_predictions.LayerNorm',
    output: 'generator_lm_head',
    bias: 'generator_lm_head.bias',
    activation: 'gelu',
  },
  sequence: { dense: 'classifier.dense', role: 'head.transform', activation: 'gelu', output: 'classifier.out_proj' },
};
