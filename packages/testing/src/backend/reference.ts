import { type HostTensor, type Named, type Program, type Tensor, TunesmithError, tf } from '@tunesmith/core';

/** What TensorFlow.js's CPU backend makes of a program that only has inputs: the reference of every comparison. */
export async function referenceOutputs(program: Program, inputs: Named<HostTensor>): Promise<Named<HostTensor>> {
  if (tf.findBackendFactory('cpu') == null) {
    throw new TunesmithError('BACKEND_UNAVAILABLE', 'describeBackend compares with the CPU backend of TensorFlow.js', {
      hint: "Import '@tensorflow/tfjs-backend-cpu' in the test.",
    });
  }
  const active = tf.getBackend();
  await tf.setBackend('cpu');
  const absent = (what: string) => (): never => {
    throw new TunesmithError('INTERNAL', `the reference has no ${what}`);
  };
  try {
    const outputs = tf.tidy(() => {
      const fed = Object.entries(inputs).map(([name, host]) => [name, toTensor(host)] as const);
      const byName = new Map(fed);
      const io = {
        input: (name: string) => byName.get(name)!,
        read: absent('store'),
        keepMask: absent('masks'),
        uniform: absent('noise'),
      };
      const { outputs } = program.body(io);
      return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tf.clone(tensor)]));
    });
    return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, toHost(tensor)]));
  } finally {
    if (active) await tf.setBackend(active);
  }
}

function toTensor({ dtype, shape, data }: HostTensor): Tensor {
  return tf.tensor(data, [...shape], dtype as 'float32' | 'int32' | 'bool');
}

function toHost(tensor: Tensor): HostTensor {
  const { dtype, shape } = tensor;
  const data = tensor.dataSync().slice();
  tensor.dispose();
  return { dtype, shape, data } as HostTensor;
}
