import { type ModelBuilder, type SiteFunction, stopGradient, swiGlu, type Tensor, tf } from '@tunesmith/core';

export interface ExpertsConfig {
  readonly count: number;
  /** Experts that each token has. */
  readonly active: number;
}

interface ExpertsShape extends ExpertsConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
}

/**
 * What each token takes of each expert: softmax(logits) over its `active` likeliest, which are made to sum to 1, and 0 of the
 * others (Jiang et al. 2024, section 2.1; transformers/models/mixtral/modeling_mixtral.py, MixtralTopKRouter).
 * `[tokens, experts]` → `[tokens, experts]`.
 */
function shares(logits: Tensor, active: number): Tensor {
  const probabilities = tf.softmax(logits);
  // Which experts a token has is no smooth function of anything: the gradient takes it for given.
  const chosen = stopGradient(() => {
    const { indices } = tf.topk(logits, active);
    return tf.sum(tf.cast(tf.oneHot(indices as never, logits.shape[1] as number), 'float32'), 1); // [tokens, experts]
  });
  const kept = tf.mul(probabilities, chosen);
  return tf.div(kept, tf.sum(kept, -1, true));
}

/**
 * A feed-forward layer of experts, `block_sparse_moe`: Σ shareₑ · w2ₑ·(silu(w1ₑ·x) ⊙ w3ₑ·x). No token is ever dropped: every
 * expert reads every token, and what a token does not have of it counts 0, so that a step costs as much as all experts do.
 */
export function buildExperts(block: ModelBuilder, config: ExpertsShape): SiteFunction<'sublayer'> {
  const { hiddenSize, intermediateSize, count, active } = config;
  const inside = block.child('block_sparse_moe');
  const router = inside.linear('gate', { role: 'router', inFeatures: hiddenSize, outFeatures: count });
  const experts = Array.from({ length: count }, (_, index) => {
    const own = inside.child(`experts.${index}`);
    const wide = { inFeatures: hiddenSize, outFeatures: intermediateSize };
    const gate = own.linear('w1', { ...wide, role: 'mlp.gate' });
    const up = own.linear('w3', { ...wide, role: 'mlp.up' });
    const activation = own.activation('act_fn', { role: 'mlp.activation', features: intermediateSize }, (x) => x);
    const down = own.linear('w2', { role: 'mlp.down', inFeatures: intermediateSize, outFeatures: hiddenSize });
    const expert: SiteFunction<'sublayer'> = (t, x) => down(t, activation(t, swiGlu(gate(t, x), up(t, x))));
    return expert;
  });
  return block.sublayer('block_sparse_moe', { role: 'mlp', features: hiddenSize }, (t, x) => {
    const [batch = 0, length = 0] = x.shape;
    const taken = shares(tf.reshape(router(t, x), [batch * length, count]), active);
    const each = tf.split(tf.reshape(taken, [batch, length, count]), count, -1); // each [batch, seq, 1]
    return tf.addN(experts.map((expert, index) => tf.mul(expert(t, x), each[index] as Tensor)));
  });
}
