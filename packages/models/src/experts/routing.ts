import { moveRows, type RowSums, stopGradient, type Tensor, tf } from '@tunesmith/core';

/** How tokens are shared out among experts. */
export interface Routing {
  readonly count: number;
  /** Experts that each token has. */
  readonly active: number;
  /** Whether a token's shares are made to sum to 1 (Mixtral); otherwise they are the router's probabilities (Switch). */
  readonly normalized: boolean;
  /**
   * In training, how many tokens of a row an expert takes, as a multiple of the mean (Fedus et al. 2021, eq. 3); null for as many as
   * come.
   */
  readonly capacityFactor: number | null;
  /** How many tokens of a row an expert takes whatever is done, training or not (Switch's `expert_capacity`); null for no bound. */
  readonly rowCapacity: number | null;
}

/** Which experts each token has, best first, int32 `[batch, seq, active]`. */
function likeliest(logits: Tensor, active: number): Tensor {
  return tf.topk(logits, active).indices;
}

/** 1 at the experts that each token has and 0 at the others, `[batch, seq, experts]`. Which they are, the gradient takes for given. */
export function chosenExperts(logits: Tensor, { active, count }: Routing): Tensor {
  return stopGradient(() => tf.sum(tf.cast(tf.oneHot(likeliest(logits, active) as never, count), 'float32'), 2));
}

/**
 * What each token takes of each expert, 0 of those that it does not have (Jiang et al. 2024, section 2.1;
 * transformers/models/mixtral/modeling_mixtral.py, MixtralTopKRouter). `[batch, seq, experts]`.
 */
export function expertShares(logits: Tensor, chosen: Tensor, { normalized }: Routing): Tensor {
  const kept = tf.mul(tf.softmax(logits), chosen);
  return normalized ? tf.div(kept, tf.sum(kept, -1, true)) : kept;
}

/** Tokens of a row of this length that an expert takes at most; null where it takes as many as come. */
export function expertCapacity(length: number, training: boolean, routing: Routing): number | null {
  const { active, count, capacityFactor, rowCapacity } = routing;
  const most = Math.min(length, rowCapacity ?? length);
  if (training && capacityFactor !== null) return Math.min(most, Math.ceil((capacityFactor * length * active) / count));
  return most < length ? most : null;
}

/** Where the tokens of rows go: to slots `[experts, batch, capacity]` that the experts compute, and back. */
export interface Dispatch {
  /** How many choices of tokens got a slot, and how many there were: scalars. */
  readonly kept: Tensor;
  readonly wanted: Tensor;
  /** `[batch · seq, width]` → `[experts · batch · capacity, width]`; slots that nobody has are 0. */
  toSlots(x: Tensor): Tensor;
  /** `[experts · batch · capacity, width]` → `[batch · seq, width]`, the sum of what a token's slots hold. */
  toTokens(y: Tensor): Tensor;
}

/**
 * Gives each expert the first tokens of each row that chose it, up to the capacity: what a row gets hangs on no other row, and on no
 * later token. Padding takes no slot. `present` `[batch, seq]`.
 */
export function dispatchTokens(logits: Tensor, present: Tensor, capacity: number, routing: Routing): Dispatch {
  const { count, active } = routing;
  const [batch = 0, length = 0] = logits.shape;
  // Where tokens go is given to the gradient, and whatever it is computed from too.
  const there = stopGradient(() => tf.expandDims(present, -1));
  const wanted = tf.transpose(tf.mul(chosenExperts(logits, routing), there), [2, 0, 1]); // [experts, batch, seq]
  const place = tf.cumsum(wanted, 2, true); // [experts, batch, seq]
  const kept = tf.mul(wanted, tf.cast(tf.less(place, capacity), 'float32'));

  // The tokens of a slot: those that are kept, in their order, and then others, which count 0.
  const order = tf.mul(kept, tf.range(length, 0, -1, 'float32'));
  const { values, indices } = tf.topk(order, capacity); // [experts, batch, capacity]
  const rowStarts = tf.reshape(tf.range(0, batch * length, length, 'int32'), [1, batch, 1]);
  const ofSlots: RowSums = {
    rows: tf.reshape(tf.add(indices, rowStarts), [-1, 1]),
    counts: tf.cast(tf.greater(tf.reshape(values, [-1, 1]), 0), 'float32'),
  };

  // The slots of a token: in each of its experts the place that it has there.
  const experts = stopGradient(() => tf.cast(likeliest(logits, active), 'float32')); // [batch, seq, active]
  const mine = tf.oneHot(tf.cast(experts, 'int32') as never, count); // [batch, seq, active, experts]
  const inMine = (x: Tensor): Tensor =>
    tf.sum(tf.mul(tf.cast(mine, 'float32'), tf.expandDims(tf.transpose(x, [1, 2, 0]), 2)), -1); // [batch, seq, active]
  const rowOf = tf.reshape(tf.range(0, batch, 1, 'float32'), [batch, 1, 1]);
  const slot = tf.add(tf.mul(tf.add(tf.mul(experts, batch), rowOf), capacity), tf.minimum(inMine(place), capacity - 1));
  const ofTokens: RowSums = {
    rows: tf.reshape(tf.cast(slot, 'int32'), [-1, active]),
    counts: tf.reshape(inMine(kept), [-1, active]),
  };
  return {
    kept: tf.sum(kept),
    wanted: tf.sum(wanted),
    toSlots: (x) => moveRows(x, ofSlots, ofTokens),
    toTokens: (y) => moveRows(y, ofTokens, ofSlots),
  };
}
