import { TunesmithError } from '../errors/tunesmith-error.js';
import { defineOp } from './define-op.js';
import { holdBack } from './hold-back.js';
import { scatterAdd } from './scatter-add.js';
import { type Tensor, tf } from './tfjs.js';

interface Chunking {
  /** At most so many logits exist at a time; by default 2²³, 32 MiB. */
  readonly logitsAtOnce: number;
}

const byDefault: Chunking = { logitsAtOnce: 2 ** 23 };

const op = defineOp<Chunking, readonly [Tensor, Tensor, Tensor], readonly [Tensor, Tensor]>({
  name: 'LinearCrossEntropy',
  outputCount: 2,
  // The second output, weight[label] − P · weight, is the gradient with respect to `hidden` before scaling: computed
  // while the probabilities P are there, it saves their recomputation, and it has only hidden's size.
  compose: ([hidden, weight, labels], { logitsAtOnce }) => {
    const withGradient = isTaped();
    const parts = rowChunks(hidden, weight, logitsAtOnce).map(([from, rows]) => {
      const { own, probabilities, value } = predict(
        sliceRows(hidden, from, rows),
        weight,
        sliceRows(labels, from, rows),
      );
      if (!withGradient) return { value };
      const direction = tf.sub(own, tf.matMul(probabilities, weight));
      // Together, lest a chunk's probabilities wait for the backward pass while the other chunks make theirs.
      return { value: holdBack(value, direction), direction };
    });
    const directions = parts.flatMap(({ direction }) => direction ?? []);
    return [
      concatRows(parts.map(({ value }) => value)),
      withGradient ? concatRows(directions) : tf.zeros([0, hidden.shape[1]!]),
    ];
  },
  gradient: ([dy], [hidden, weight, labels], [, direction], { logitsAtOnce }) => [
    () => tf.mul(tf.expandDims(dy, -1), direction),
    () => {
      // Held back, lest the forward pass's probabilities be kept alive to serve here.
      const again = holdBack(hidden, dy);
      const scaled = tf.mul(hidden, tf.expandDims(dy, -1)); // [N, H]
      const expected = rowChunks(hidden, weight, logitsAtOnce).map(([from, rows]) => {
        const probabilities = tf.softmax(tf.matMul(sliceRows(again, from, rows), weight, false, true));
        return tf.matMul(probabilities, sliceRows(scaled, from, rows), true, false); // [V, H]
      });
      const observed = tf.unsortedSegmentSum(scaled, labels as never, weight.shape[0]!);
      return expected.reduce((sum, each) => tf.sub(sum, each), observed as Tensor);
    },
    null,
  ],
});

/**
 * log softmax(hidden · weightᵀ)[label] per row, without ever holding all logits: hidden [N, H], weight [V, H],
 * labels int32 [N] in 0..V−1 → [N]. The label's logit is taken as hidden · weight[label].
 */
export function linearCrossEntropy(
  hidden: Tensor,
  weight: Tensor,
  labels: Tensor,
  chunking: Partial<Chunking> = {},
): Tensor {
  checkShapes(hidden, weight, labels);
  return op([hidden, weight, labels], { ...byDefault, ...chunking })[0];
}

const summed = defineOp<Chunking, readonly [Tensor, Tensor, Tensor, Tensor], readonly [Tensor, Tensor, Tensor, Tensor]>(
  {
    name: 'WeightedLinearCrossEntropy',
    outputCount: 4,
    // Beside the sum: each row's value, and the gradients with respect to `hidden` and `weight`, taken while the
    // probabilities are there.
    compose: ([hidden, weight, labels, rowWeights], { logitsAtOnce }) => {
      const withGradient = isTaped();
      const scaled = tf.mul(hidden, tf.expandDims(rowWeights, -1)); // [N, H]
      const chunks = rowChunks(hidden, weight, logitsAtOnce);
      let expected: Tensor | undefined; // −Σ wᵢ pᵢ hᵢᵀ, [V, H]
      const parts = chunks.map(([from, rows], index) => {
        const { own, probabilities, value } = predict(
          sliceRows(hidden, from, rows),
          weight,
          sliceRows(labels, from, rows),
        );
        if (!withGradient) return { value };
        const direction = tf.sub(own, tf.matMul(probabilities, weight));
        const product = tf.matMul(probabilities, tf.neg(sliceRows(scaled, from, rows)), true, false);
        expected = expected === undefined ? product : tf.add(expected, product);
        // A chunk is done with, and added up, before the next begins. The last sum is left to be written over.
        const done = index === chunks.length - 1 ? product : expected;
        return { value: holdBack(holdBack(value, direction), done), direction };
      });
      const values = concatRows(parts.map(({ value }) => value));
      const sum = tf.sum(tf.mul(values, rowWeights));
      if (expected === undefined) return [sum, values, tf.zeros([0]), tf.zeros([0])];
      const directions = concatRows(parts.flatMap(({ direction }) => direction ?? []));
      return [sum, values, tf.mul(directions, tf.expandDims(rowWeights, -1)), scatterAdd(expected, labels, scaled)];
    },
    gradient: ([dy], _, [, values, ofHidden, ofWeight]) => [
      () => tf.mul(dy, ofHidden),
      () => tf.mul(dy, ofWeight),
      null,
      () => tf.mul(dy, values),
    ],
  },
);

/**
 * Σ wᵢ · log softmax(hiddenᵢ · weightᵀ)[labelᵢ], a scalar: hidden [N, H], weight [V, H], labels int32 [N] in 0..V−1,
 * rowWeights [N]. For a head that is trained: with the rows' weights at hand, weight's gradient is taken in the forward
 * pass, where `linearCrossEntropy` would compute all logits again for it.
 */
export function weightedLinearCrossEntropy(
  hidden: Tensor,
  weight: Tensor,
  labels: Tensor,
  rowWeights: Tensor,
  chunking: Partial<Chunking> = {},
): Tensor {
  checkShapes(hidden, weight, labels);
  return summed([hidden, weight, labels, rowWeights], { ...byDefault, ...chunking })[0];
}

const fromLogits = defineOp<object, readonly [Tensor, Tensor]>({
  name: 'LogProbabilities',
  compose: ([logits, labels]) => {
    const [rows = 0, width = 0] = logits.shape;
    const offsets = tf.mul(tf.range(0, rows, 1, 'int32'), tf.scalar(width, 'int32'));
    const own = tf.gather(tf.reshape(logits, [-1]), tf.add(offsets, labels));
    return [tf.sub(own, logSumExp(logits, tf.softmax(logits)))];
  },
  gradient: ([dy], [logits, labels]) => [
    () => {
      const vocabulary = tf.range(0, logits.shape[1]!, 1, 'int32');
      const own = tf.cast(tf.equal(tf.expandDims(labels, -1), tf.expandDims(vocabulary, 0)), 'float32'); // [N, V]
      return tf.mul(tf.sub(own, tf.softmax(logits)), tf.expandDims(dy, -1));
    },
    null,
  ],
});

/** log softmax(logits)[label] per row, for heads that are more than a matrix: logits [N, V], labels int32 [N] → [N]. */
export function logProbabilities(logits: Tensor, labels: Tensor): Tensor {
  return fromLogits([logits, labels], {})[0];
}

function checkShapes(hidden: Tensor, weight: Tensor, labels: Tensor): void {
  const [rows, width] = hidden.shape;
  const fits = hidden.rank === 2 && weight.rank === 2 && width === weight.shape[1] && labels.shape.join() === `${rows}`;
  if (fits) return;
  throw new TunesmithError('SHAPE_MISMATCH', 'linearCrossEntropy', {
    expected: 'hidden [N, H], weight [V, H], labels [N]',
    got: [hidden, weight, labels].map(({ shape }) => `[${shape}]`).join(', '),
  });
}

/** Some rows' probabilities [rows, V], the weight of each label's own logit [rows, H], and log p of the labels [rows]. */
function predict(
  hidden: Tensor,
  weight: Tensor,
  labels: Tensor,
): { own: Tensor; probabilities: Tensor; value: Tensor } {
  const own = tf.gather(weight, labels as never);
  const logits = tf.matMul(hidden, weight, false, true);
  const probabilities = tf.softmax(logits);
  return { own, probabilities, value: tf.sub(tf.sum(tf.mul(hidden, own), -1), logSumExp(logits, probabilities)) };
}

/** log Σ exp of each row, as max − log(max softmax): the softmax is at hand, and its maximum is never below 1/V. */
function logSumExp(logits: Tensor, probabilities: Tensor): Tensor {
  return tf.sub(tf.max(logits, -1), tf.log(tf.max(probabilities, -1)));
}

/** Whether the op whose kernel runs is recorded, so that its gradient may be asked for. */
function isTaped(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 1;
}

/** The first row and the number of rows of each chunk. */
function rowChunks(hidden: Tensor, weight: Tensor, logitsAtOnce: number): [from: number, rows: number][] {
  const total = hidden.shape[0]!;
  const count = Math.ceil((total * weight.shape[0]!) / logitsAtOnce);
  const size = Math.ceil(total / Math.max(1, count));
  return Array.from({ length: Math.ceil(total / size) }, (_, index) => {
    const from = index * size;
    return [from, Math.min(size, total - from)];
  });
}

function sliceRows(x: Tensor, from: number, rows: number): Tensor {
  if (rows === x.shape[0]) return x;
  return tf.slice(x, [from, ...x.shape.slice(1).fill(0)], [rows, ...x.shape.slice(1)]);
}

function concatRows(parts: Tensor[]): Tensor {
  return parts.length === 1 ? parts[0]! : tf.concat(parts, 0);
}
