import type { Named, Tensor } from '../tensor/tfjs.js';

/** One tensor that the optimizer moves, a chunk of parameters of one group, and what it may use for it. */
export interface Leaf {
  readonly parameter: Tensor;
  /** The transformation's state for this leaf, by slot. */
  readonly state: Named<Tensor>;
  /** Scalars that the host computed for this leaf and step in double precision, by the name in `scalars`. */
  readonly scalars: Named<Tensor>;
  /** The group's rate at this step, a scalar. */
  readonly learningRate: Tensor;
  /** The group's weight decay. */
  readonly decay: number;
  /** Leaves of one name are clipped by one norm; most have the empty name. */
  readonly clip: string;
}

export interface UpdateContext {
  /** Reports a scalar beside the loss. */
  observe(name: string, value: Tensor): void;
}

export interface UpdateResult {
  /** What to add to each leaf's parameter, by leaf. */
  readonly updates: Named<Tensor>;
  /** New state, by leaf and slot. */
  readonly state: Named<Named<Tensor>>;
}

/**
 * A gradient transformation in optax's manner: pure, over leaves by name. Slots start at zero and have their leaf's
 * shape; scalars depend on how often a leaf was updated, this time included, and are computed on the host, because
 * 1 − βᵗ keeps fewer than five digits in float32.
 */
export interface GradientTransformation {
  readonly name: string;
  readonly slots: readonly string[];
  scalars?(count: number): Named<number>;
  update(gradients: Named<Tensor>, leaves: Named<Leaf>, context: UpdateContext): UpdateResult;
}

/** Applies transformations in order, each to the last one's result. Slots and scalars keep their owner's name. */
export function chain(...parts: readonly GradientTransformation[]): GradientTransformation {
  const owned = (part: GradientTransformation, name: string): string => `${part.name}.${name}`;
  const own = <Value>(part: GradientTransformation, names: readonly string[], all: Named<Value>): Named<Value> =>
    Object.fromEntries(names.map((name) => [name, all[owned(part, name)] as Value]));
  return {
    name: parts.map(({ name }) => name).join(' → '),
    slots: parts.flatMap((part) => part.slots.map((slot) => owned(part, slot))),
    scalars: (count) =>
      Object.fromEntries(
        parts.flatMap((part) =>
          Object.entries(part.scalars?.(count) ?? {}).map(([name, value]) => [owned(part, name), value]),
        ),
      ),
    update(gradients, leaves, context) {
      let updates = gradients;
      const state: Named<Named<Tensor>> = Object.fromEntries(Object.keys(leaves).map((name) => [name, {}]));
      for (const part of parts) {
        const scalarNames = Object.keys(part.scalars?.(1) ?? {});
        const view = mapNamed(leaves, (leaf) => ({
          ...leaf,
          state: own(part, part.slots, leaf.state),
          scalars: own(part, scalarNames, leaf.scalars),
        }));
        const result = part.update(updates, view, context);
        updates = result.updates;
        for (const [leaf, slots] of Object.entries(result.state)) {
          for (const [slot, value] of Object.entries(slots)) (state[leaf] as Named<Tensor>)[owned(part, slot)] = value;
        }
      }
      return { updates, state };
    },
  };
}

export function mapNamed<From, To>(record: Named<From>, map: (value: From, name: string) => To): Named<To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));
}
