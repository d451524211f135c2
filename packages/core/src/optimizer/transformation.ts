import type { Handle } from '../parameters/handle.js';
import type { StoredSpec } from '../program/backend.js';
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

/** How the state of one parameter is kept. */
export interface ParameterState {
  /** Only parameters of one form share a leaf. */
  readonly form: string;
  /** What is stored, by slot. Where several parameters share a leaf, theirs lie one after another. */
  readonly slots: Named<StoredSpec>;
}

/**
 * A gradient transformation in optax's manner: pure, over leaves by name. Slots start at zero and have their leaf's
 * shape, unless `stateOf` says otherwise; scalars depend on how often a leaf was updated, this time included, and are computed on the host, because
 * 1 − βᵗ keeps fewer than five digits in float32.
 */
export interface GradientTransformation {
  readonly name: string;
  readonly slots: readonly string[];
  /** Slots whose values are never below zero. */
  readonly nonNegative?: readonly string[];
  /** How the state of a parameter is kept, where not as float32 of its shape in each slot. */
  stateOf?(parameter: Pick<Handle, 'key' | 'shape'>): ParameterState | undefined;
  scalars?(count: number): Named<number>;
  update(gradients: Named<Tensor>, leaves: Named<Leaf>, context: UpdateContext): UpdateResult;
}

/** How the state of a parameter is kept by a transformation. */
export function parameterState(
  { slots, stateOf }: GradientTransformation,
  parameter: Pick<Handle, 'key' | 'shape'>,
): ParameterState {
  const plain: StoredSpec = { dtype: 'float32', shape: parameter.shape };
  return stateOf?.(parameter) ?? { form: '', slots: Object.fromEntries(slots.map((slot) => [slot, plain])) };
}

/** Applies transformations in order, each to the last one's result. Slots and scalars keep their owner's name. */
export function chain(...parts: readonly GradientTransformation[]): GradientTransformation {
  const owned = (part: GradientTransformation, name: string): string => `${part.name}.${name}`;
  /** What belongs to a part, by its own names for it. */
  const own = <Value>(part: GradientTransformation, all: Named<Value>): Named<Value> => {
    const prefix = owned(part, '');
    const entries = Object.entries(all).filter(([name]) => name.startsWith(prefix));
    return Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]));
  };
  const named = <Value>(part: GradientTransformation, values: Named<Value>): [string, Value][] =>
    Object.entries(values).map(([name, value]) => [owned(part, name), value]);
  return {
    name: parts.map(({ name }) => name).join(' → '),
    slots: parts.flatMap((part) => part.slots.map((slot) => owned(part, slot))),
    nonNegative: parts.flatMap((part) => (part.nonNegative ?? []).map((slot) => owned(part, slot))),
    stateOf(parameter) {
      const states = parts.map((part) => [part, parameterState(part, parameter)] as const);
      return {
        form: states.map(([, { form }]) => form).join(' → '),
        slots: Object.fromEntries(states.flatMap(([part, { slots }]) => named(part, slots))),
      };
    },
    scalars: (count) => Object.fromEntries(parts.flatMap((part) => named(part, part.scalars?.(count) ?? {}))),
    update(gradients, leaves, context) {
      let updates = gradients;
      const state: Named<Named<Tensor>> = Object.fromEntries(Object.keys(leaves).map((name) => [name, {}]));
      for (const part of parts) {
        const view = mapNamed(leaves, (leaf) => ({
          ...leaf,
          state: own(part, leaf.state),
          scalars: own(part, leaf.scalars),
        }));
        const result = part.update(updates, view, context);
        updates = result.updates;
        for (const [leaf, slots] of Object.entries(result.state)) {
          for (const [slot, value] of named(part, slots)) (state[leaf] as Named<Tensor>)[slot] = value;
        }
      }
      return { updates, state };
    },
  };
}

export function mapNamed<From, To>(record: Named<From>, map: (value: From, name: string) => To): Named<To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));
}
