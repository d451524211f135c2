import {
  geGlu,
  gelu,
  geluTanh,
  type ModelBuilder,
  type SiteFunction,
  silu,
  swiGlu,
  type Tensor,
  tf,
} from '@tunesmith/core';
import { mixExperts, type Present } from '../experts/mix-experts.js';
import type { Routing } from '../experts/routing.js';
import type { T5Config, T5FeedForward } from './config.js';

type Activation = T5FeedForward['activation'];

const activations: Record<Activation, (x: Tensor) => Tensor> = {
  relu: (x) => tf.relu(x),
  gelu,
  gelu_new: geluTanh,
  silu,
};
const gatedUnits: Record<Activation, (gate: Tensor, up: Tensor) => Tensor> = {
  relu: (gate, up) => tf.mul(tf.relu(gate), up),
  gelu: (gate, up) => geGlu(gate, up, { approximate: 'none' }),
  gelu_new: (gate, up) => geGlu(gate, up, { approximate: 'tanh' }),
  silu: swiGlu,
};

/** T5's feed-forward layer without biases: wo·f(wi·x), or wo·(f(wi_0·x) ⊙ wi_1·x) (Shazeer 2020). */
export function buildFeedForward(layer: ModelBuilder, config: T5Config): SiteFunction<'sublayer', [Present]> {
  const { hiddenSize: features, feedForward } = config;
  const dense = buildDense(layer.child(feedForward.module), config);
  return layer.sublayer<[Present]>(feedForward.module, { role: 'mlp', features }, dense);
}

/** Experts of that form in its place, of which each token has some (Fedus et al. 2021). */
export function buildSparseFeedForward(
  layer: ModelBuilder,
  config: T5Config,
  routing: Routing,
): SiteFunction<'sublayer', [Present]> {
  const { hiddenSize: features, feedForward } = config;
  const inside = layer.child(feedForward.module);
  const shape = { inFeatures: features, outFeatures: routing.count };
  const router = inside.child('router').linear('classifier', { ...shape, role: 'router' });
  const experts = Array.from({ length: routing.count }, (_, index) =>
    buildDense(inside.child(`experts.expert_${index}`), config),
  );
  return layer.sublayer<[Present]>(feedForward.module, { role: 'mlp', features }, (t, x, { present }) =>
    mixExperts(t, { router, experts, routing }, x, present as Tensor),
  );
}

function buildDense(inside: ModelBuilder, config: T5Config): SiteFunction<'sublayer'> {
  const { hiddenSize, innerSize, feedForward } = config;
  const { activation: name, gated } = feedForward;
  const wide = { inFeatures: hiddenSize, outFeatures: innerSize };
  const gate = gated ? inside.linear('wi_0', { ...wide, role: 'mlp.gate' }) : undefined;
  const up = inside.linear(gated ? 'wi_1' : 'wi', { ...wide, role: 'mlp.up' });
  // Where there is a gate, the site is what `wo` reads; the product is one fused op.
  const activate = inside.activation(
    'act',
    { role: 'mlp.activation', features: innerSize },
    gated ? (x) => x : activations[name],
  );
  const down = inside.linear('wo', { role: 'mlp.down', inFeatures: innerSize, outFeatures: hiddenSize });
  return (t, x) => {
    const inner = gate === undefined ? up(t, x) : gatedUnits[name](gate(t, x), up(t, x));
    return down(t, activate(t, inner)); // [batch, seq, hidden]
  };
}
