import { bertBlockNames } from '../encoder/encoder-block.js';
import type { EncoderLayout } from '../encoder/encoder-layout.js';

/** transformers/models/bert/modeling_bert.py: BertForMaskedLM, BertForSequenceClassification. */
export const bertLayout: EncoderLayout = {
  prefix: 'bert',
  blocks: 'encoder.layer',
  block: bertBlockNames,
  positionsAfterPadding: false,
  masked: {
    dense: 'cls.predictions.transform.dense',
    norm: 'cls.predictions.transform.LayerNorm',
    output: 'cls.predictions.decoder',
    bias: 'cls.predictions.bias',
  },
  sequence: { dense: 'bert.pooler.dense', role: 'pooler', activation: 'tanh', output: 'classifier' },
};
