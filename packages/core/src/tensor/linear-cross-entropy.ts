import { TunesmithError } from '../errors/tunesmith-error.js';
import { defineOp } from './define-op.js';
import { holdBack } from './hold-back.js';
import { type Tensor, tf } from './tfjs.js';

interface Chunking {
  /** At most so many logits exist at a time; by default 2²³, 32 MiB. */
  readonly logitsAtOnce: number;
}

const op = defineOp<Chunking, readonly [Tensor, Tensor, Tensor], readonly [Tensor, Tensor]>({
  name: 'LinearCrossEntropy',
  outputCount: 2,
  // The second output, weight[label] − P · weight, is the gradient with respect to `hidden` before scaling: computed
  // while the probabilities P are there, it saves their recomputation, and it has only hidden's size.
  compose: ([hidden, weight, labels], { logitsAtOnce }) => {
    const withGradient = isTaped();
    const parts = rowChunks(hidden, weight, logitsAtOnce).map(([from, rows]) => {
      const part = sliceRows(hidden, from, rows);
      const own = tf.gather(weight, sliceRows(labels, from, rows)); // [rows, H]
      const logits = tf.matMul(part, weight, false, true); // [rows, V]
      const probabilities = tf.softmax(logits);
      const value = tf.sub(tf.sum(tf.mul(part, own), -1), logSumExp(logits, probabilities));
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
  { logitsAtOnce = 2 ** 23 }: Partial<Chunking> = {},
): Tensor {
  const [rows] = hidden.shape;
  if (
    hidden.rank !== 2 ||
    weight.rank !== 2 ||
    hidden.shape[1] !== weight.shape[1] ||
    labels.shape.join() !== `${rows}`
  ) {
    throw new TunesmithError('SHAPE_MISMATCH', 'linearCrossEntropy', {
      expected: 'hidden [N, H], weight [V, H], labels [N]',
      got: [hidden, weight, labels].map(({ shape }) => `[${shape}]`).join(', '),
    });
  }
  return op([hidden, weight, labels], { logitsAtOnce })[0];
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
