import { collectValues, type Tensor, type Trace, tf } from '@tunesmith/core';
import { routerKept, routerLogits } from './mix-experts.js';
import { chosenExperts, type Routing } from './routing.js';

/** What is trained beside the objective, so that no expert idles and no logit runs away. */
export interface RouterLosses {
  /** Factor of the load-balance loss; 0 for none. */
  readonly balance: number;
  /** Factor of the z-loss; 0 for none. */
  readonly z: number;
  /** Whether loads are balanced over the batch as a whole (Mixtral) or in each of its rows (Switch). */
  readonly over: 'batch' | 'rows';
}

/** The routers of a stack of layers: what names their losses, how they choose, and what is trained of them. */
export interface RouterStack {
  /** In front of the names of losses and observations: `experts`. */
  readonly name: string;
  readonly routing: Routing;
  readonly losses: RouterLosses;
}

/**
 * Runs layers with experts and, in training, adds their routers' losses to the step's and reports how the experts are used:
 * `<name>.largestOverMean`, the load of a layer's busiest expert over the mean, in the layer where that is most, and with a capacity
 * `<name>.droppedShare`, the share of the tokens' choices that found no room. `present` `[batch, seq]`.
 */
export function reportRouters<Result>(
  t: Trace,
  { name, routing, losses }: RouterStack,
  present: Tensor,
  body: () => Result,
): Result {
  const { result, values } = collectValues(t, [routerLogits, routerKept], body);
  const [logits = [], kept = []] = values;
  if (!t.training || logits.length === 0) return result;
  if (losses.balance > 0) t.loss(`${name}.balance`, balanceLoss(logits, present, routing, losses.over), losses.balance);
  if (losses.z > 0) t.loss(`${name}.z`, routerZLoss(logits, present), losses.z);
  t.observe(`${name}.largestOverMean`, largestOverMean(logits, present, routing));
  if (kept.length > 0) {
    const [got, all] = tf.split(tf.addN([...kept]), 2) as [Tensor, Tensor];
    t.observe(`${name}.droppedShare`, tf.reshape(tf.sub(1, tf.div(got, all)), []));
  }
  return result;
}

/**
 * E · Σₑ fₑ·Pₑ, f the share of the tokens that have an expert and P its mean probability, over all layers at once (Fedus et al.
 * 2021, eq. 4–6; `load_balancing_loss_func` of transformers' Mixtral, with the attention mask), or the mean of the rows' own
 * (that of its Switch Transformers, but that padding does not count). Logits `[batch, seq, experts]` of each layer.
 */
function balanceLoss(logits: readonly Tensor[], present: Tensor, routing: Routing, over: RouterLosses['over']): Tensor {
  const axes = over === 'batch' ? [0, 1] : [1];
  const weights = tf.expandDims(present, -1);
  const sum = (x: Tensor): Tensor => tf.sum(tf.mul(x, weights), axes); // [experts] or [batch, experts]
  const tokens = tf.mul(tf.sum(weights, axes), logits.length); // [1] or [batch, 1]
  const load = tf.div(tf.addN(logits.map((each) => sum(chosenExperts(each, routing)))), tokens);
  const probability = tf.div(tf.addN(logits.map((each) => sum(tf.softmax(each)))), tokens);
  return tf.mul(tf.mean(tf.sum(tf.mul(load, probability), -1)), routing.count);
}

/** The mean of log²Σₑ exp(logitₑ) over tokens and layers (Zoph et al. 2022, eq. 5; transformers' `router_z_loss_func`). */
function routerZLoss(logits: readonly Tensor[], present: Tensor): Tensor {
  const sums = logits.map((each) => tf.sum(tf.mul(tf.square(tf.logSumExp(each, -1)), present)));
  return tf.div(tf.addN(sums), tf.mul(tf.sum(present), logits.length));
}

function largestOverMean(logits: readonly Tensor[], present: Tensor, routing: Routing): Tensor {
  const weights = tf.expandDims(present, -1);
  const loads = logits.map((each) => tf.sum(tf.mul(chosenExperts(each, routing), weights), [0, 1])); // each [experts]
  const largest = tf.max(tf.stack(loads));
  return tf.div(tf.mul(largest, routing.count / routing.active), tf.sum(present));
}
