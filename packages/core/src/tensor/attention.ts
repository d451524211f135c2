import { TunesmithError } from '../errors/tunesmith-error.js';
import { positionMask } from './attention-mask.js';
import { defineOp } from './define-op.js';
import { holdBack } from './hold-back.js';
import { sumToShape } from './sum-to-shape.js';
import { type Tensor, tf } from './tfjs.js';

export interface AttentionInputs {
  /** [batch, heads, seq, headDim] */
  readonly query: Tensor;
  /** [batch, keyHeads, keys, headDim]; `heads` is a multiple of `keyHeads` (grouped queries, Ainslie et al. 2023). */
  readonly key: Tensor;
  /** [batch, keyHeads, keys, headDim] */
  readonly value: Tensor;
  /** Added to the scores: [batch or 1, 1 or heads, seq, keys]. */
  readonly mask?: Tensor | undefined;
}

export interface AttentionAttributes {
  /** What the products of queries and keys are multiplied by, mostly headDim^-½. */
  readonly scale: number;
  /** Whether query i sees only keys j ≤ i + (keys − seq): the last query and the last key stand side by side. */
  readonly causal: boolean;
  /** If given, query i sees only keys j > i + (keys − seq) − window. */
  readonly window?: number | undefined;
}

/**
 * Whether the gradient computes the probabilities once more, rather than keep them for every layer until then. Kept,
 * they are the largest activation: at SmolLM2-135M's shape and 512 tokens 12 % of the peak, growing as the square of the
 * length; recomputed, they cost a CPU 2 % of a step.
 */
const recomputesProbabilities = true;

type Inputs = readonly [query: Tensor, key: Tensor, value: Tensor, mask?: Tensor | undefined];

const op = defineOp<AttentionAttributes, Inputs>({
  name: 'Attention',
  compose: ([query, key, value, mask], attributes) => {
    const probabilities = attend(query, key, mask, attributes);
    return [tf.reshape(tf.matMul(probabilities, value), query.shape)];
  },
  gradient: ([dy], [kept, key, value, mask], [output], attributes) => {
    const query = recomputesProbabilities ? holdBack(kept, dy) : kept;
    const grouped = query.shape.map((size, axis) => (axis === 1 ? key.shape[1]! : axis === 2 ? -1 : size));
    const inputGradients = tf.tidy(() => {
      const probabilities = attend(query, key, mask, attributes);
      const dGrouped = tf.reshape(dy, grouped);
      const dScores = scoreGradient(probabilities, dy, output, value, grouped);
      return {
        query: tf.reshape(tf.mul(tf.matMul(dScores, key), attributes.scale), query.shape),
        key: tf.matMul(dScores, tf.mul(tf.reshape(query, grouped), attributes.scale), true, false),
        value: tf.matMul(probabilities, dGrouped, true, false),
      };
    });
    const ofMask = (bias: Tensor) => (): Tensor => {
      const probabilities = attend(query, key, bias, attributes);
      const dScores = scoreGradient(probabilities, dy, output, value, grouped);
      return sumToShape(tf.reshape(dScores, scoreShape(query, key)), bias.shape);
    };
    const { query: dQuery, key: dKey, value: dValue } = inputGradients;
    return [() => dQuery, () => dKey, () => dValue, mask === undefined ? null : ofMask(mask)];
  },
});

/** The probabilities, grouped so that keys need no repetition: [batch, keyHeads, (heads / keyHeads) · seq, keys]. */
function attend(query: Tensor, key: Tensor, mask: Tensor | undefined, attributes: AttentionAttributes): Tensor {
  const [batch = 0, , length = 0, width = 0] = query.shape;
  const [, keyHeads = 0, keys = 0] = key.shape;
  const scaled = tf.reshape(tf.mul(query, attributes.scale), [batch, keyHeads, -1, width]);
  const scores = tf.matMul(scaled, key, false, true); // [batch, keyHeads, (heads / keyHeads) · seq, keys]
  const byPosition = positionMask(length, keys, attributes);
  const masks = [byPosition, mask].filter((each) => each !== undefined);
  if (masks.length === 0) return tf.softmax(scores);
  const masked = tf.add(
    tf.reshape(scores, scoreShape(query, key)),
    masks.reduce((sum, each) => tf.add(sum, each)),
  );
  return tf.reshape(tf.softmax(masked), scores.shape);
}

/**
 * The gradient of the scores before masking, P ⊙ (dP − rowsum(dy ⊙ y)), of the probabilities' shape. The row sums are
 * taken over headDim rather than over keys, as in FlashAttention-2 (Dao 2023, section 3.1).
 */
function scoreGradient(probabilities: Tensor, dy: Tensor, y: Tensor, value: Tensor, grouped: number[]): Tensor {
  const dProbabilities = tf.matMul(tf.reshape(dy, grouped), value, false, true);
  const rowSums = tf.reshape(tf.sum(tf.mul(dy, y), -1), [...probabilities.shape.slice(0, -1), 1]);
  return tf.mul(probabilities, tf.sub(dProbabilities, rowSums));
}

/** [batch, heads, seq, keys] */
function scoreShape(query: Tensor, key: Tensor): [number, number, number, number] {
  const [batch = 0, heads = 0, length = 0] = query.shape;
  return [batch, heads, length, key.shape[2] ?? 0];
}

/**
 * softmax(scale · query · keyᵀ + mask) · value (Vaswani et al. 2017) → [batch, heads, seq, headDim].
 * Long causal sequences go block of queries by block, so that keys which no query of a block sees cost nothing.
 */
export function attention(inputs: AttentionInputs, attributes: AttentionAttributes): Tensor {
  check(inputs);
  const { query, key, value, mask } = inputs;
  const length = query.shape[2]!;
  const blocks = attributes.causal ? blockCount(length) : 1;
  if (blocks === 1) return op([query, key, value, mask], attributes)[0];
  const prefix = key.shape[2]! - length;
  const outputs = Array.from({ length: blocks }, (_, block) => {
    const start = Math.round((block * length) / blocks);
    const end = Math.round(((block + 1) * length) / blocks);
    const firstKey = attributes.window === undefined ? 0 : Math.max(0, start + prefix - attributes.window + 1);
    const part = (x: Tensor, from: number, to: number): Tensor => sliceAxis(x, 2, from, to);
    return op(
      [
        part(query, start, end),
        part(key, firstKey, end + prefix),
        part(value, firstKey, end + prefix),
        mask && sliceAxis(part(mask, start, end), 3, firstKey, end + prefix),
      ],
      attributes,
    )[0];
  });
  return tf.concat(outputs, 2);
}

/**
 * n blocks skip (n − 1) / 2n of all scores. Measured on a CPU at 512 and 1024 tokens: against one block, two take three
 * quarters of the time and four two thirds; eight gain nothing more and double the nodes. Beyond, blocks of 512 bound
 * what exists of the scores at a time.
 */
function blockCount(length: number): number {
  if (length < 256) return 1;
  return Math.max(Math.min(4, Math.round(length / 128)), Math.round(length / 512));
}

function sliceAxis(x: Tensor, axis: number, from: number, to: number): Tensor {
  if (from === 0 && to === x.shape[axis]) return x;
  const begin = x.shape.map((_, index) => (index === axis ? from : 0));
  return tf.slice(
    x,
    begin,
    x.shape.map((size, index) => (index === axis ? to - from : size)),
  );
}

function check({ query, key, value, mask }: AttentionInputs): void {
  const [batch, heads = 0, length, width] = query.shape;
  const [keyBatch, keyHeads = 0, keys, keyWidth] = key.shape;
  const fits =
    query.rank === 4 &&
    batch === keyBatch &&
    width === keyWidth &&
    heads % keyHeads === 0 &&
    key.shape.join() === value.shape.join() &&
    (mask === undefined || (mask.rank === 4 && mask.shape[2] === length && mask.shape[3] === keys));
  if (fits) return;
  throw new TunesmithError('SHAPE_MISMATCH', 'attention', {
    expected: 'query [B, H, S, D], key and value [B, K, T, D] with K dividing H, mask [B or 1, 1 or H, S, T]',
    got: [query, key, value, mask].flatMap((each) => (each ? [`[${each.shape}]`] : [])).join(', '),
  });
}
