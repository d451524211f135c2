import type { EncoderLayout } from '../encoder/encoder-layout.js';

/** transformers/models/distilbert/modeling_distilbert.py: DistilBertForMaskedLM, DistilBertForSequenceClassification. */
export const distilbertLayout: EncoderLayout = {
  prefix: 'distilbert',
  blocks: 'transformer.layer',
  block: {
    attention: 'attention',
    attend: 'attention',
    query: 'attention.q_lin',
    key: 'attention.k_lin',
    value: 'attention.v_lin',
    attentionOutput: 'attention.out_lin',
    addAttention: 'attention',
    attentionNorm: 'sa_layer_norm',
    up: 'ffn.lin1',
    activation: 'ffn.activation',
    down: 'ffn.lin2',
    mlp: 'ffn',
    mlpNorm: 'output_layer_norm',
  },
  positionsAfterPadding: false,
  masked: {
    dense: 'vocab_transform',
    norm: 'vocab_layer_norm',
    output: 'vocab_projector',
    bias: 'vocab_projector.bias',
  },
  sequence: { dense: 'pre_classifier', role: 'head.transform', activation: 'relu', output: 'classifier' },
};
