import type { HostTensor, Shape, TensorSpec } from '@tunesmith/core';

/** A host tensor of a program's type from plain numbers. */
export function hostTensor({ dtype, shape }: TensorSpec, values: ArrayLike<number>): HostTensor {
  switch (dtype) {
    case 'float32':
      return { dtype, shape, data: Float32Array.from(values) };
    case 'int32':
      return { dtype, shape, data: Int32Array.from(values) };
    case 'bool':
      return { dtype, shape, data: Uint8Array.from(values) };
  }
}

export const floats = (shape: Shape, ...values: number[]): HostTensor =>
  hostTensor({ dtype: 'float32', shape }, values);

export const numbers = (tensor: HostTensor | undefined): number[] => [...(tensor?.data ?? [])];
