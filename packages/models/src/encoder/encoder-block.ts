import { gelu, geluTanh, type ModelBuilder, type SiteFunction, silu, type Tensor, tf } from '@tunesmith/core';
import { mergeHeads, splitHeads } from '../attention/attention-heads.js';

/** `hidden_act` of the configs that the encoders take. */
export const encoderActivations = {
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu: (x: Tensor) => tf.relu(x),
  silu,
} satisfies Record<string, (x: Tensor) => Tensor>;

export type EncoderActivation = keyof typeof encoderActivations;

export interface EncoderBlockConfig {
  readonly hiddenSize: number;
  readonly innerSize: number;
  readonly heads: number;
  readonly epsilon: number;
  readonly activation: EncoderActivation;
}

/** The module names within a block: all that BERT's and DistilBERT's blocks differ in. */
export interface EncoderBlockNames {
  /** Attention as a whole: from its input to what it adds. */
  readonly attention: string;
  /** The attention call itself. */
  readonly attend: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly attentionOutput: string;
  /** Where attention's output is added to the stream. */
  readonly addAttention: string;
  readonly attentionNorm: string;
  readonly up: string;
  readonly activation: string;
  readonly down: string;
  /** The feed-forward layer as a whole, and where its output is added to the stream. */
  readonly mlp: string;
  readonly mlpNorm: string;
}

export const bertBlockNames: EncoderBlockNames = {
  attention: 'attention',
  attend: 'attention.self',
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  attentionOutput: 'attention.output.dense',
  addAttention: 'attention.output',
  attentionNorm: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  activation: 'intermediate.intermediate_act_fn',
  down: 'output.dense',
  mlp: 'output',
  mlpNorm: 'output.LayerNorm',
};

/**
 * A post-norm block, x ← norm(x + attention(x)), x ← norm(x + mlp(x)), in which every token sees every other
 * (Vaswani et al. 2017; transformers/models/bert/modeling_bert.py, BertLayer). `[batch, seq, hidden]`.
 */
export function buildEncoderBlock(
  block: ModelBuilder,
  { hiddenSize: features, innerSize, heads, epsilon, activation }: EncoderBlockConfig,
  names: EncoderBlockNames,
): SiteFunction<'block'> {
  const headDim = features / heads;
  const square = { inFeatures: features, outFeatures: features, bias: true };
  const norm = { kind: 'layer', features, epsilon } as const;

  const query = block.linear(names.query, { ...square, role: 'attention.query' });
  const key = block.linear(names.key, { ...square, role: 'attention.key' });
  const value = block.linear(names.value, { ...square, role: 'attention.value' });
  const attend = block.attention(names.attend, { heads, keyHeads: heads, headDim, causal: false });
  const output = block.linear(names.attentionOutput, { ...square, role: 'attention.output' });
  const attention = block.sublayer(names.attention, { role: 'attention', features }, (t, x) => {
    const split = (projected: Tensor): Tensor => splitHeads(projected, headDim); // [batch, heads, seq, headDim]
    return output(
      t,
      mergeHeads(attend(t, { query: split(query(t, x)), key: split(key(t, x)), value: split(value(t, x)) })),
    );
  });
  const attentionNorm = block.norm(names.attentionNorm, norm);
  const addAttention = block.residual(names.addAttention, { role: 'attention', features, norm: attentionNorm });

  const up = block.linear(names.up, { role: 'mlp.up', inFeatures: features, outFeatures: innerSize, bias: true });
  const activate = block.activation(
    names.activation,
    { role: 'mlp.activation', features: innerSize },
    encoderActivations[activation],
  );
  const down = block.linear(names.down, { role: 'mlp.down', inFeatures: innerSize, outFeatures: features, bias: true });
  const mlp = block.sublayer(names.mlp, { role: 'mlp', features }, (t, x) => down(t, activate(t, up(t, x))));
  const mlpNorm = block.norm(names.mlpNorm, norm);
  const addMlp = block.residual(names.mlp, { role: 'mlp', features, norm: mlpNorm });

  return block.block({ role: 'block', features }, (t, x) => {
    const attended = addAttention(t, x, attention(t, x));
    return addMlp(t, attended, mlp(t, attended));
  });
}
