import { type ModelBuilder, type SiteFunction, swiGlu, type Tensor } from '@tunesmith/core';
import { mixExperts, type Present } from '../experts/mix-experts.js';
import type { Routing } from '../experts/routing.js';

interface ExpertsShape {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly routing: Routing;
}

/** A feed-forward layer of experts, `block_sparse_moe`: Σ shareₑ · w2ₑ·(silu(w1ₑ·x) ⊙ w3ₑ·x). */
export function buildExperts(
  block: ModelBuilder,
  { hiddenSize, intermediateSize, routing }: ExpertsShape,
): SiteFunction<'sublayer', [Present]> {
  const { count } = routing;
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
  return block.sublayer<[Present]>('block_sparse_moe', { role: 'mlp', features: hiddenSize }, (t, x, { present }) =>
    mixExperts(t, { router, experts, routing }, x, present as Tensor),
  );
}
