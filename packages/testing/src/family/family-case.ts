import {
  type AttentionSite,
  apiVersion,
  attention,
  type Handle,
  layerNorm,
  type Method,
  type Named,
  type Patcher,
  type SiteRole,
  type Task,
  type TensorSource,
  tf,
} from '@tunesmith/core';
import type { FamilyInputs } from './family-run.js';

/** A checkpoint and what another implementation computes with it. */
export interface FamilyFixture {
  /** config.json */
  readonly config: Record<string, unknown>;
  readonly weights: TensorSource;
  /**
   * `input_ids` and `logits`; `hidden.embedding`, what enters the first block; and `hidden.<path>`, what leaves the
   * block or norm at a path. Where rows are padded, on the right, `attention_mask` too, and everything is 0 at the
   * padding; where texts come in pairs, `token_type_ids`. Where an encoder reads a text of its own, `source_ids` and
   * `source_mask`, padded on the right as well, and its states are 0 at the padding.
   */
  readonly expected: TensorSource;
  /** Examples packed into rows: `input_ids`, `position_ids`, `segments`, and the `logits` of each example alone. */
  readonly packed?: TensorSource;
}

/** One thing done wrongly, by another config or by a patch. The logits must show it. */
export interface Disturbance {
  readonly config?: (json: Record<string, unknown>) => Record<string, unknown>;
  readonly patch?: (patcher: Patcher) => void;
  /** Columns by their names, such as `sourceSegments`. */
  readonly columns?: (columns: FamilyInputs) => FamilyInputs;
}

export interface FamilyCase {
  readonly name: string;
  /** The head to build; that of the family's first task if not said. */
  readonly head?: { readonly task: Task; readonly labels?: number };
  load(): Promise<FamilyFixture>;
  /** By what is wrong. That every query sees every key is always tried. */
  readonly disturbances: Readonly<Named<Disturbance>>;
}

/** Attention without a mask. */
export const withoutMask: Disturbance = {
  patch: (patcher) =>
    wrapEach(patcher.sites('attention'), ({ scale, path, from }: AttentionSite) =>
      patcher.wrap(
        'attention',
        { include: [path] },
        () =>
          ({ query, key, value, bias }, next) =>
            from === 'tokens'
              ? attention({ query, key, value, mask: bias }, { scale, causal: false })
              : next({ query, key, value, ...(bias && { bias }) }),
      ),
    ),
};

/** Padding of what an encoder reads, seen like the rest. */
export const withoutSourceMask: Disturbance = {
  columns({ sourceSegments, ...columns }) {
    if (sourceSegments === undefined) return columns;
    const { shape, data } = sourceSegments;
    return { ...columns, sourceSegments: { dtype: 'int32', shape, data: new Int32Array(data.length).fill(1) } };
  },
};

/** Attention to what comes before alone, where everything is to be seen. */
export const withoutFuture: Disturbance = {
  patch: (patcher) =>
    wrapEach(patcher.sites('attention'), ({ scale, path }: AttentionSite) =>
      patcher.wrap(
        'attention',
        { include: [path] },
        () =>
          ({ query, key, value }, _, t) =>
            attention({ query, key, value, mask: t.mask }, { scale, causal: true }),
      ),
    ),
};

/** An embedding of this role that reads the next row. */
export function shiftedRows(role: SiteRole): Disturbance {
  return {
    patch: (patcher) =>
      wrapEach(
        patcher.sites('embedding').filter((site) => site.role === role),
        ({ path, rows }) =>
          patcher.wrap(
            'embedding',
            { include: [path] },
            () => (ids, next) => next(tf.mod(tf.add(ids, tf.scalar(1, 'int32')), tf.scalar(rows, 'int32'))),
          ),
      ),
  };
}

/** Layer norms with another epsilon. */
export function withEpsilon(epsilon: number): Disturbance {
  return {
    patch: (patcher) =>
      wrapEach(patcher.sites('norm'), ({ path, weightHandle, biasHandle }) =>
        patcher.wrap(
          'norm',
          { include: [path] },
          () => (x, _, t) => layerNorm(x, t.value(weightHandle), t.value(biasHandle as Handle), epsilon),
        ),
      ),
  };
}

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
