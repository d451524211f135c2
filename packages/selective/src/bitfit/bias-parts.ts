import { elementCount, type Handle, type Patcher, type SiteRole } from '@tunesmith/core';
import type { BiasGroup } from './config.js';

/** A bias, or a part of a fused projection's. */
export interface BiasPart {
  /** Null outside the paper's eight groups: embeddings, final norm, pooler, head. */
  readonly group: BiasGroup | null;
  readonly handle: Handle;
  readonly start: number;
  readonly size: number;
}

const groupOf: Partial<Record<SiteRole, BiasGroup>> = {
  'attention.query': 'query',
  'attention.key': 'key',
  'attention.value': 'value',
  'attention.output': 'attentionOutput',
  'mlp.gate': 'intermediate',
  'mlp.up': 'intermediate',
  'mlp.down': 'output',
};

/** Every bias of a model, the parts of fused ones apart and in order. */
export function biasParts(patcher: Patcher): BiasPart[] {
  const linear = patcher.sites('linear').flatMap(({ biasHandle: handle, slices }): BiasPart[] => {
    if (handle === null) return [];
    return slices.map(({ role, start, size }) => ({ group: groupOf[role] ?? null, handle, start, size }));
  });
  return [...linear, ...normBiases(patcher)];
}

/** The biases of norms: within a block, the first is attention's and the second the feed-forward layer's. */
function normBiases(patcher: Patcher): BiasPart[] {
  const seen = new Map<number, number>();
  return patcher.sites('norm').flatMap(({ biasHandle: handle, depth }): BiasPart[] => {
    if (handle === null) return [];
    const whole = { handle, start: 0, size: elementCount(handle.shape) };
    if (depth === null) return [{ ...whole, group: null }];
    const before = seen.get(depth) ?? 0;
    seen.set(depth, before + 1);
    return [{ ...whole, group: (['attentionNorm', 'outputNorm'] as const)[before] ?? null }];
  });
}
