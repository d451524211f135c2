import type { HostTensor } from '../program/backend.js';
import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { bytesInStore } from './bytes-in-store.js';
import { transpose } from './transpose.js';
import type { MatrixShape, WeightCodec } from './weight-codec.js';

/** How a weight is kept by a codec. */
export interface Encoding extends MatrixShape {
  readonly codec: WeightCodec;
  /** Whether the weight itself is `[columns, rows]`, as GPT-2's Conv1D has it. */
  readonly transposed: boolean;
}

/** A matrix that a codec keeps, in a program. */
export interface EncodedMatrix {
  /** x · matrixᵀ: x `[.., columns]` → `[.., rows]`. */
  linear(x: Tensor): Tensor;
  /** The weight in float32, in its own shape. */
  value(): Tensor;
}

/** Bytes of all that is kept of a weight. */
export function encodedBytes(encoding: Encoding): number {
  return Object.values(encoding.codec.parts(encoding)).reduce((sum, part) => sum + bytesInStore(part), 0);
}

/** A weight's values, in its own shape, as its codec keeps them. */
export function encodeWeight({ codec, rows, columns, transposed }: Encoding, values: Float32Array): Named<HostTensor> {
  return codec.encode(transposed ? transpose(values, columns, rows) : values, { rows, columns });
}

/** The reverse, up to what the codec loses. */
export function decodeWeight(
  { codec, rows, columns, transposed }: Encoding,
  parts: Readonly<Named<HostTensor>>,
): Float32Array {
  const values = codec.decode(parts, { rows, columns });
  return transposed ? transpose(values, rows, columns) : values;
}

export function encodedMatrix(encoding: Encoding, parts: Readonly<Named<Tensor>>): EncodedMatrix {
  const { codec, transposed } = encoding;
  return {
    linear: (x) => codec.linear(x, parts, encoding),
    value() {
      const matrix = codec.dequantize(parts, encoding);
      return transposed ? tf.transpose(matrix) : matrix;
    },
  };
}
