import {
  type AttentionSite,
  apiVersion,
  attention,
  type Method,
  type Named,
  type Patcher,
  type TensorSource,
  tf,
} from '@tunesmith/core';

/** A checkpoint and what another implementation computes with it. */
export interface FamilyFixture {
  /** config.json */
  readonly config: Record<string, unknown>;
  readonly weights: TensorSource;
  /**
   * `input_ids` and `logits`; `hidden.embedding`, what enters the first block; and `hidden.<path>`, what leaves the
   * block or norm at a path.
   */
  readonly expected: TensorSource;
  /** Examples packed into rows: `input_ids`, `position_ids`, `segments`, and the `logits` of each example alone. */
  readonly packed?: TensorSource;
}

/** One thing done wrongly, by another config or by a patch. The logits must show it. */
export interface Disturbance {
  readonly config?: (json: Record<string, unknown>) => Record<string, unknown>;
  readonly patch?: (patcher: Patcher) => void;
}

export interface FamilyCase {
  readonly name: string;
  load(): Promise<FamilyFixture>;
  /** By what is wrong. That every query sees every key is always tried. */
  readonly disturbances: Readonly<Named<Disturbance>>;
}

/** Attention without a mask. */
export const withoutMask: Disturbance = {
  patch: (patcher) =>
    wrapEach(patcher.sites('attention'), ({ headDim, path }: AttentionSite) =>
      patcher.wrap(
        'attention',
        { include: [path] },
        () =>
          ({ query, key, value }) =>
            attention({ query, key, value }, { scale: headDim ** -0.5, causal: false }),
      ),
    ),
};

/** The key and value heads in reverse, so that groups of queries meet another's. */
export const reversedKeyHeads: Disturbance = {
  patch: (patcher) =>
    wrapEach(patcher.sites('attention'), ({ path }) =>
      patcher.wrap(
        'attention',
        { include: [path] },
        () =>
          ({ query, key, value }, next) =>
            next({ query, key: tf.reverse(key, 1), value: tf.reverse(value, 1) }),
      ),
    ),
};

/** The norms of this module name left out. */
export function withoutNorm(name: string): Disturbance {
  return { patch: (patcher) => void patcher.wrap('norm', { include: [name] }, () => (x) => x) };
}

/** The biases of linear layers left out. */
export const withoutBiases: Disturbance = {
  patch: (patcher) =>
    wrapEach(
      patcher.sites('linear').filter(({ biasHandle }) => biasHandle !== null),
      ({ path }) => patcher.wrap('linear', { include: [path] }, (site) => (x, _, t) => site.apply(t, x)),
    ),
};

/** config.json with other values, those of rope_parameters or rope_scaling among them. */
export function withConfig(changes: Record<string, unknown>): Disturbance {
  return {
    config: (json) => {
      const inner = ['rope_parameters', 'rope_scaling'].find(
        (key) => typeof json[key] === 'object' && json[key] !== null,
      );
      const changed: Record<string, unknown> = { ...json };
      for (const [key, value] of Object.entries(changes)) {
        const rope = inner === undefined ? undefined : (changed[inner] as Record<string, unknown>);
        if (inner !== undefined && rope !== undefined && key in rope) changed[inner] = { ...rope, [key]: value };
        else changed[key] = value;
      }
      return changed;
    },
  };
}

/** A method that only patches. */
export function patchOnly(name: string, patchModel: (patcher: Patcher) => void): Method {
  const capabilities = { mergeable: false, identityAtInit: false, trainsBase: false };
  return { name, apiVersion, config: {}, capabilities, patchModel };
}

function wrapEach<Site>(sites: readonly Site[], wrap: (site: Site) => unknown): void {
  for (const site of sites) wrap(site);
}
