import { fromFloat32, toFloat32 } from './float-codecs.js';
import type { StoredTensor } from './stored-tensor.js';
import { transpose } from './transpose.js';

/** A matrix `[out, in]` as a family has it whose own are `[in, out]`; its codes stay as they are. */
export function turnedTensor({ name, dtype, shape, codes, read }: StoredTensor): StoredTensor {
  const [rows = 1, columns = 1] = shape;
  return {
    ...{ name, dtype, shape: [columns, rows] },
    ...(codes && { codes }),
    read: async () => fromFloat32(dtype, transpose(toFloat32(dtype, await read()), rows, columns)),
  };
}
