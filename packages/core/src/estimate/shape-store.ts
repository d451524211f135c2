import { TunesmithError } from '../errors/tunesmith-error.js';
import { elementCount } from '../parameters/handle.js';
import type { HostTensor, TensorStore } from '../program/backend.js';
import type { TensorSpec } from '../program/program.js';

/** A tensor store that keeps shapes and no values: what a plan is made over, before any weight is read. */
export interface ShapeStore extends TensorStore {
  readonly specs: ReadonlyMap<string, TensorSpec>;
}

export function createShapeStore(): ShapeStore {
  const specs = new Map<string, TensorSpec>();
  return {
    specs,
    set(name, { shape, dtype }) {
      specs.set(name, { shape, dtype: dtype === 'float16' || dtype === 'bfloat16' ? 'float32' : dtype });
    },
    async get(name): Promise<HostTensor> {
      const spec = specs.get(name);
      if (spec === undefined) throw new TunesmithError('NAME_UNKNOWN', `the store holds no tensor "${name}"`);
      // Zeros that nobody writes to take no memory until the system has to back them.
      return { dtype: 'float32', shape: spec.shape, data: new Float32Array(elementCount(spec.shape)) };
    },
    has: (name) => specs.has(name),
    names: () => [...specs.keys()],
    delete: (name) => void specs.delete(name),
    dispose: () => specs.clear(),
  };
}
