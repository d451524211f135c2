import { fromFloat32, type HostTensor, type Tensor, tf, toFloat32 } from '@tunesmith/core';

const storedName = { float16: 'F16', bfloat16: 'BF16' } as const;

/** A tensor of the active backend, which may go on using the host's array; 16-bit floats become float32 and bytes int32, exactly. */
export function toDevice({ dtype, shape, data }: HostTensor): Tensor {
  if (dtype === 'uint8' || dtype === 'int8') return tf.tensor(Int32Array.from(data), [...shape], 'int32');
  if (dtype !== 'float16' && dtype !== 'bfloat16') return tf.tensor(data, [...shape], dtype);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return tf.tensor(toFloat32(storedName[dtype], bytes), [...shape], 'float32');
}

/** A copy of a tensor's values on the host, as the type that it is stored in. */
export async function toHost(tensor: Tensor, dtype: HostTensor['dtype']): Promise<HostTensor> {
  const shape = [...tensor.shape];
  const data = await tensor.data();
  switch (dtype) {
    case 'float32':
      return { dtype, shape, data: Float32Array.from(data) };
    case 'int32':
      return { dtype, shape, data: Int32Array.from(data) };
    case 'bool':
    case 'uint8':
      return { dtype, shape, data: Uint8Array.from(data) };
    case 'int8':
      return { dtype, shape, data: Int8Array.from(data) };
    default: {
      const bytes = fromFloat32(storedName[dtype], Float32Array.from(data));
      return { dtype, shape, data: new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2) };
    }
  }
}
