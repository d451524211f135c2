import { TunesmithError } from '../errors/tunesmith-error.js';
import type { HostTensor, StoredSpec, TensorStore } from '../program/backend.js';
import { zeroTensor } from '../storage/zero-tensor.js';

/** A tensor store that keeps shapes and no values: what a plan is made over, before any weight is read. */
export interface ShapeStore extends TensorStore {
  readonly specs: ReadonlyMap<string, StoredSpec>;
  /** Goes up whenever a tensor is added, taken away or given another shape or type. */
  readonly version: number;
  /** Notes a tensor without values. */
  declare(name: string, spec: StoredSpec): void;
}

export function createShapeStore(): ShapeStore {
  const specs = new Map<string, StoredSpec>();
  /** Tensors that were set, and so may have been computed with since. */
  const written = new Set<string>();
  let version = 0;
  const declare = (name: string, { shape, dtype }: StoredSpec): void => {
    const known = specs.get(name);
    if (known?.dtype !== dtype || known.shape.join() !== shape.join()) version++;
    specs.set(name, { shape, dtype });
  };
  return {
    specs,
    get version() {
      return version;
    },
    declare,
    set(name, spec) {
      declare(name, spec);
      written.add(name);
    },
    async get(name): Promise<HostTensor> {
      const spec = specs.get(name);
      if (spec === undefined) throw new TunesmithError('NAME_UNKNOWN', `the store holds no tensor "${name}"`);
      // Zeros take no memory until somebody writes to them: what was declared may be a whole model.
      return written.has(name) ? anyValue(spec) : zeroTensor(spec);
    },
    has: (name) => specs.has(name),
    names: () => [...specs.keys()],
    delete(name) {
      written.delete(name);
      if (specs.delete(name)) version++;
    },
    dispose() {
      specs.clear();
      version++;
    },
  };
}

/**
 * Numbers that pass for what a program may have computed: none is zero, as gradients that are would be taken for a
 * mistake, and of logits the largest is in the middle, where no vocabulary has its end token.
 */
export function anyValue(spec: StoredSpec): HostTensor {
  const value = zeroTensor(spec);
  if (value.dtype !== 'float32') return value;
  value.data.fill(1);
  value.data[value.data.length >> 1] = 2;
  return value;
}
