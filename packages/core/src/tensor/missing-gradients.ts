/**
 * Gradients that TensorFlow.js lacks, or that throw once an input was broadcast: either way an op between a parameter and
 * the loss made `tf.grads` fail. This module completes the instance that tfjs.ts shares.
 */
import * as tf from '@tensorflow/tfjs-core';
import { TunesmithError } from '../errors/tunesmith-error.js';
import { sumToShape } from './sum-to-shape.js';

/** Piecewise constant functions, with the names of their inputs. */
const stepFunctions: Record<string, readonly string[]> = {
  Equal: ['a', 'b'],
  NotEqual: ['a', 'b'],
  Greater: ['a', 'b'],
  GreaterEqual: ['a', 'b'],
  Less: ['a', 'b'],
  LessEqual: ['a', 'b'],
  LogicalAnd: ['a', 'b'],
  LogicalOr: ['a', 'b'],
  LogicalXor: ['a', 'b'],
  LogicalNot: ['x'],
  Any: ['x'],
  All: ['x'],
};

/**
 * Registers them. Whoever imports another copy of the whole of TensorFlow.js, as tfjs-node does, thereby puts the stock
 * gradients back, and calls this again.
 */
export function completeGradients(): void {
  for (const [kernelName, names] of Object.entries(stepFunctions)) {
    tf.registerGradient({
      kernelName,
      inputsToSave: [...names],
      gradFunc: (_, saved) => Object.fromEntries(names.map((name, index) => [name, () => zeroGradient(saved[index]!)])),
    });
  }

  tf.registerGradient({
    kernelName: tf.GatherNd,
    inputsToSave: ['params', 'indices'],
    gradFunc: (dy, [params, indices]) => ({
      params: () => tf.scatterND(indices!, dy as tf.Tensor, params!.shape as ShapeOf),
      indices: () => zeroGradient(indices!),
    }),
  });

  tf.registerGradient({
    kernelName: tf.ScatterNd,
    inputsToSave: ['indices'],
    gradFunc: (dy, [indices]) => ({
      indices: () => zeroGradient(indices!),
      updates: () => tf.gatherND(dy as tf.Tensor, indices!),
    }),
  });

  tf.registerGradient({
    kernelName: tf.StridedSlice,
    inputsToSave: ['x'],
    gradFunc: (dy, [x], attributes) => ({
      x: () => {
        const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } =
          attributes as unknown as tf.StridedSliceAttrs;
        const masks = [beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask] as const;
        const taken = tf.stridedSlice(positions(x!), begin, end, strides, ...masks);
        return scatterToPositions(taken, dy as tf.Tensor, x!.shape);
      },
    }),
  });

  tf.registerGradient({
    kernelName: tf.TopK,
    inputsToSave: ['x'],
    outputsToSave: [false, true],
    gradFunc: (dy, [x, indices]) => ({
      x: () => {
        const width = x!.shape.at(-1)!;
        const rows = x!.size / width;
        const starts = tf.reshape(tf.range(0, rows * width, width, 'int32'), [rows, 1]);
        const taken = tf.add(tf.reshape(indices!, [rows, -1]), starts);
        return scatterToPositions(taken, (dy as tf.Tensor[])[0]!, x!.shape);
      },
    }),
  });

  for (const kernelName of [tf.Maximum, tf.Minimum, tf.SquaredDifference]) {
    mend(kernelName, (gradient, input) => sumToShape(gradient, input.shape));
  }
  mend(tf.BatchMatMul, sumBatches);
}

const mended = new WeakSet<object>();

/** Passes the stock gradients of a binary op through `adapt`, with the input that each belongs to. */
function mend(kernelName: string, adapt: (gradient: tf.Tensor, input: tf.Tensor) => tf.Tensor): void {
  const stock = tf.getGradient(kernelName);
  if (mended.has(stock)) return;
  const config: tf.GradConfig = {
    ...stock,
    gradFunc: (dy, saved, attributes) => {
      const { a, b } = stock.gradFunc(dy, saved, attributes);
      return { a: () => adapt(a!(), saved[0]!), b: () => adapt(b!(), saved[1]!) };
    },
  };
  mended.add(config);
  tf.registerGradient(config);
}

type ShapeOf = tf.ShapeMap[tf.Rank];

function zeroGradient(input: tf.Tensor): tf.Tensor {
  return tf.zerosLike(tf.cast(input, 'float32'));
}

/** Each element's own flat position, in `x`'s shape. */
function positions(x: tf.Tensor): tf.Tensor {
  return tf.reshape(tf.range(0, x.size, 1, 'int32'), x.shape);
}

/** Zeros of `shape`, with `values` at the flat positions `taken`. */
function scatterToPositions(taken: tf.Tensor, values: tf.Tensor, shape: number[]): tf.Tensor {
  const size = shape.reduce((product, each) => product * each, 1);
  const flat = tf.scatterND(tf.reshape(taken, [-1, 1]), tf.reshape(values, [-1]), [size]);
  return tf.reshape(flat, shape);
}

/** The gradient of a factor one of whose batches served all batches of the other. */
function sumBatches(gradient: tf.Tensor, factor: tf.Tensor): tf.Tensor {
  const batch = factor.shape.slice(0, -2);
  if (gradient.shape.slice(0, -2).join() === batch.join()) return gradient;
  if (batch.some((size) => size !== 1)) {
    // tfjs's own kernels mistake the batches of such a product, so there is no right value to differentiate.
    throw new TunesmithError('SHAPE_MISMATCH', 'matMul broadcasts a factor only if all its batch dimensions are 1', {
      got: `a factor [${factor.shape}] in a product over batches [${gradient.shape.slice(0, -2)}]`,
      hint: 'Reshape or tile it first.',
    });
  }
  return tf.reshape(tf.sum(tf.reshape(gradient, [-1, ...factor.shape.slice(-2)]), 0), factor.shape);
}
