import { type SiteFunction, type Tensor, type Trace, tf } from '@tunesmith/core';
import { chosenExperts, dispatchTokens, expertCapacity, expertShares, type Routing } from './routing.js';

/** What the layers hand on of their routers. */
export const routerLogits = 'router.logits';
/** `[2]`: choices that got a slot, and all. */
export const routerKept = 'router.kept';

/** Which tokens of a run are there, as `present` `[batch, seq]`; empty where no layer asks. */
export type Present = Record<string, Tensor>;

/** A router and the experts that it chooses from, as sites. */
export interface Experts {
  readonly router: SiteFunction<'linear'>;
  readonly experts: readonly SiteFunction<'sublayer'>[];
  readonly routing: Routing;
}

/**
 * Σ shareₑ · expertₑ(x) over the experts that each token has. Dropless, every expert reads every token, and what a token does not
 * have of it counts 0. With a capacity each reads its own tokens, up to that many of a row, and what is above takes
 * nothing of it: the stream passes by. `x` `[batch, seq, hidden]`, `present` `[batch, seq]`.
 */
export function mixExperts(t: Trace, { router, experts, routing }: Experts, x: Tensor, present: Tensor): Tensor {
  const logits = router(t, x); // [batch, seq, experts], in float32 as all that is computed
  t.hand({ kind: 'value', name: routerLogits, value: logits });
  const shares = expertShares(logits, chosenExperts(logits, routing), routing);
  const { count } = routing;
  const [batch = 0, length = 0, hidden = 0] = x.shape;
  const capacity = expertCapacity(length, t.training, routing);
  if (capacity === null) {
    const each = tf.split(shares, count, -1); // each [batch, seq, 1]
    return tf.addN(experts.map((expert, index) => tf.mul(expert(t, x), each[index] as Tensor)));
  }
  const dispatch = dispatchTokens(logits, present, capacity, routing);
  t.hand({ kind: 'value', name: routerKept, value: tf.stack([dispatch.kept, dispatch.wanted]) });
  const slots = dispatch.toSlots(tf.reshape(x, [batch * length, hidden]));
  const inputs = tf.split(tf.reshape(slots, [count * batch, capacity, hidden]), count, 0);
  const outputs = experts.map((expert, index) => expert(t, inputs[index] as Tensor)); // each [batch, capacity, hidden]
  const slotShares = sharesOfSlots(dispatch.toSlots(tf.reshape(shares, [batch * length, count])), count);
  const scaled = tf.mul(tf.reshape(tf.concat(outputs, 0), [-1, hidden]), slotShares);
  return tf.reshape(dispatch.toTokens(scaled), [batch, length, hidden]);
}

/** Of each slot's token what it takes of the slot's own expert: `[experts · rest, experts]` → `[experts · rest, 1]`. */
function sharesOfSlots(shares: Tensor, count: number): Tensor {
  const own = tf.reshape(tf.eye(count), [count, 1, count]);
  return tf.reshape(tf.sum(tf.mul(tf.reshape(shares, [count, -1, count]), own), -1), [-1, 1]);
}
