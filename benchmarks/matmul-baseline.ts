import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { type HostTensor, type Program, type Tensor, tf } from '@tunesmith/core';

/** Rows, inner and columns of a product, and how often a layer of SmolLM2-135M computes it. */
const products = [
  { inner: 576, columns: 576, count: 2 },
  { inner: 576, columns: 192, count: 2 },
  { inner: 576, columns: 1536, count: 2 },
  { inner: 1536, columns: 576, count: 1 },
];

/** Floating-point operations a second of ONNX Runtime's plain products over a model's shapes, `rows` tokens at a time. */
export async function matmulBaseline(rows: number, threads: number): Promise<number> {
  const backend = createOnnxBackend({ device: 'cpu', threads });
  const store = backend.createStore();
  const filled = (shape: number[]): HostTensor => ({
    dtype: 'float32',
    shape,
    data: new Float32Array((shape[0] as number) * (shape[1] as number)).fill(0.01),
  });
  for (const { inner, columns } of products) {
    store.set(`x ${inner}`, filled([rows, inner]));
    for (let copy = 0; copy < 4; copy++) store.set(`w ${inner} ${columns} ${copy}`, filled([columns, inner]));
  }
  let flops = 0;
  const program: Program = {
    name: 'plain products',
    inputs: {},
    body(io) {
      flops = 0;
      const corners: Tensor[] = [];
      for (const { inner, columns, count } of products) {
        for (let copy = 0; copy < 2 * count; copy++) {
          const weight = io.read(`w ${inner} ${columns} ${copy}`);
          const product = tf.matMul(io.read(`x ${inner}`), weight, false, true);
          // One element keeps the product alive and costs nothing.
          corners.push(tf.reshape(tf.slice(product, [0, 0], [1, 1]), []));
          flops += 2 * rows * inner * columns;
        }
      }
      return { outputs: { sum: tf.addN(corners) } };
    },
  };
  const executable = await backend.compile(program, store);
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 12; run++) {
    const started = performance.now();
    await executable.run({});
    best = Math.min(best, (performance.now() - started) / 1000);
  }
  await executable.dispose();
  store.dispose();
  return flops / best;
}
