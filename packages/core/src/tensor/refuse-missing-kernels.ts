import type { TensorSpec } from '../program/program.js';
import { tf } from './tfjs.js';

/**
 * Runs `body`; a kernel that TensorFlow.js's backend in use lacks throws what `refusal` makes of its name and operands.
 * TensorFlow.js itself says no more than the name, in words.
 */
export function refuseMissingKernels<Result>(
  refusal: (kernel: string, operands: readonly TensorSpec[]) => Error,
  body: () => Result,
): Result {
  const engine = tf.engine();
  const { runKernel } = engine;
  engine.runKernel = (kernel, inputs, attributes) => {
    if (tf.getKernel(kernel, tf.getBackend()) != null)
      return runKernel.call(engine, kernel, inputs, attributes) as never;
    const operands = Object.values(inputs)
      .flat()
      .filter((operand) => operand != null);
    throw refusal(kernel, operands as unknown as TensorSpec[]);
  };
  try {
    return body();
  } finally {
    engine.runKernel = runKernel;
  }
}
