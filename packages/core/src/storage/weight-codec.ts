import type { HostTensor } from '../program/backend.js';
import type { Named, Tensor } from '../tensor/tfjs.js';

/** How the matrix of a linear layer is kept by a codec: always `[rows, columns]` = `[out, in]`. */
export interface MatrixShape {
  readonly rows: number;
  readonly columns: number;
}

/** The type and shape of one stored tensor. */
export type PartSpec = Pick<HostTensor, 'dtype' | 'shape'>;

/**
 * A form other than floating-point numbers that frozen matrices are kept in, with how programs compute with it.
 * What is stored of a matrix are named parts, tensors of a store like any other.
 */
export interface WeightCodec {
  /** What it is called where sizes are listed: `nf4`. */
  readonly name: string;
  /** Everything that its codes depend on: codecs of equal settings keep equal codes. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  /** The parts of a matrix of this shape, in the order in which programs get them. */
  parts(shape: MatrixShape): Named<PartSpec>;
  /** @throws DATA_INVALID for values that it cannot keep */
  encode(values: Float32Array, shape: MatrixShape): Named<HostTensor>;
  decode(parts: Readonly<Named<HostTensor>>, shape: MatrixShape): Float32Array;
  /**
   * In a program, the matrix in float32, of which no part is differentiated: not before `after` is known, so that few
   * matrices are in this form at a time, or at any time if it is left out.
   */
  dequantize(parts: Readonly<Named<Tensor>>, shape: MatrixShape, after?: Tensor): Tensor;
  /** In a program, x · matrixᵀ: x [.., columns] → [.., rows]. The gradient reaches x, through the same codes. */
  linear(x: Tensor, parts: Readonly<Named<Tensor>>, shape: MatrixShape): Tensor;
}

/** Whether two codecs keep any matrix in the same parts. */
export function keepAlike(one: WeightCodec, other: WeightCodec): boolean {
  const [names, others] = [Object.keys(one.settings), Object.keys(other.settings)];
  return names.length === others.length && names.every((name) => one.settings[name] === other.settings[name]);
}
