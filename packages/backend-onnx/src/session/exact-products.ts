import { writeModel } from '../emit/write-model.js';
import { loadOnnxRuntime, type OnnxTensor } from './onnx-runtime.js';

let asked: Promise<boolean> | undefined;

/**
 * Whether ONNX Runtime multiplies unsigned by signed bytes exactly on this processor. Without an instruction that adds their
 * products in 32 bits (AVX-512 VNNI or AVX-VNNI on x86) its kernel adds pairs of them in 16, which saturates beyond 32767
 * without a word. What processor has what is its own affair, so that it is asked once, with the largest bytes there are.
 */
export function multipliesBytesExactly(): Promise<boolean> {
  asked ??= ask();
  return asked;
}

const inner = 64;

async function ask(): Promise<boolean> {
  const { InferenceSession, Tensor } = await loadOnnxRuntime();
  const model = writeModel({
    name: 'exact products',
    inputs: [
      { name: 'a', type: 'uint8', shape: ['rows', inner] },
      { name: 'b', type: 'int8', shape: [inner, inner] },
    ],
    outputs: [{ name: 'y', type: 'int32', shape: ['rows', inner] }],
    initializers: [],
    nodes: [{ name: 'y', type: 'MatMulInteger', domain: '', inputs: ['a', 'b'], outputs: ['y'], attributes: {} }],
  });
  const session = await InferenceSession.create(model, { logSeverityLevel: 4 });
  const b = new Tensor('int8', new Int8Array(inner * inner).fill(127), [inner, inner]);
  // A single row has a kernel of its own.
  for (const rows of [1, 16]) {
    const a = new Tensor('uint8', new Uint8Array(rows * inner).fill(255), [rows, inner]);
    const { y } = (await session.run({ a, b })) as { readonly y: OnnxTensor };
    if ((y.data as Int32Array).some((sum) => sum !== inner * 255 * 127)) {
      await session.release();
      return false;
    }
  }
  await session.release();
  return true;
}
