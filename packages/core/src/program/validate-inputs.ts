import { didYouMean } from '../errors/nearest-names.js';
import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Named } from '../tensor/tfjs.js';
import type { HostTensor } from './backend.js';
import type { Program, TensorSpec } from './program.js';

const arrays: Record<TensorSpec['dtype'], { new (length: number): ArrayBufferView; readonly name: string }> = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
};

/**
 * What every backend checks before a run: each declared input is there, with its type, shape and length, and nothing else.
 * Throws NAME_UNKNOWN or SHAPE_MISMATCH, naming program and input.
 */
export function validateInputs(program: Program, inputs: Readonly<Named<HostTensor>>): void {
  for (const name of Object.keys(inputs)) {
    if (Object.hasOwn(program.inputs, name)) continue;
    throw new TunesmithError('NAME_UNKNOWN', `no input is called '${name}'`, {
      where: `program ${program.name}`,
      hint: didYouMean(name, Object.keys(program.inputs)),
    });
  }
  for (const [name, spec] of Object.entries(program.inputs)) {
    const where = `program ${program.name}, input ${name}`;
    const tensor = inputs[name];
    if (tensor === undefined) throw new TunesmithError('NAME_UNKNOWN', 'the input is missing', { where });
    const length = spec.shape.reduce((product, size) => product * size, 1);
    const array = arrays[spec.dtype];
    const fits =
      tensor.dtype === spec.dtype &&
      tensor.data instanceof array &&
      tensor.data.length === length &&
      tensor.shape.length === spec.shape.length &&
      tensor.shape.every((size, axis) => size === spec.shape[axis]);
    if (fits) continue;
    throw new TunesmithError('SHAPE_MISMATCH', 'the input is not what the program declares', {
      where,
      expected: `${spec.dtype} [${spec.shape}] in ${length} elements of a ${array.name}`,
      got: `${tensor.dtype} [${tensor.shape}] in ${tensor.data.length} elements of a ${tensor.data.constructor.name}`,
    });
  }
}
