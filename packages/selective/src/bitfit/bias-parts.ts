import type { Handle, LinearSite, Patcher, SiteRole, Slice } from '@tunesmith/core';
import type { BiasGroup } from './config.js';

/** A bias, or a part of a fused projection's. */
export interface BiasPart {
  /** Null outside the paper's eight groups: embeddings, final norm, pooler, head. */
  readonly group: BiasGroup | null;
  readonly handle: Handle;
  /** Where it is only a part of the handle. */
  readonly part: { readonly site: LinearSite; readonly slice: Slice } | null;
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

/** Every bias of a model, the parts of fused ones apart. */
export function biasParts(patcher: Patcher): BiasPart[] {
  const linear = patcher.sites('linear').flatMap((site): BiasPart[] => {
    const { biasHandle: handle, slices } = site;
    if (handle === null) return [];
    return slices.map((slice) => {
      const group = groupOf[slice.role] ?? null;
      return { group, handle, part: slices.length === 1 ? null : { site, slice } };
    });
  });
  return [...linear, ...normBiases(patcher)];
}

/** The biases of norms: within a block, the first is attention's and the second the feed-forward layer's. */
function normBiases(patcher: Patcher): BiasPart[] {
  const seen = new Map<number, number>();
  return patcher.sites('norm').flatMap(({ biasHandle: handle, depth }): BiasPart[] => {
    if (handle === null) return [];
    if (depth === null) return [{ group: null, handle, part: null }];
    const before = seen.get(depth) ?? 0;
    seen.set(depth, before + 1);
    const group = (['attentionNorm', 'outputNorm'] as const)[before] ?? null;
    return [{ group, handle, part: null }];
  });
}
