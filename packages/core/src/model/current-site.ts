import { type Tensor, tf } from '../tensor/tfjs.js';

/** What TensorFlow.js notes of an op for the backward pass. */
interface TapeNode {
  gradient?: (dys: Tensor[]) => Record<string, () => Tensor>;
}

let current: string | undefined;

/**
 * The model's site whose forward pass, or whose gradient, is being computed: `linear model.layers.1.self_attn.q_proj`,
 * `the gradient of linear …`. Undefined outside of all sites. Backends name it where they refuse an op.
 */
export function currentSite(): string | undefined {
  return current;
}

/** Runs `body` as the current site, and the gradients of the ops in it as that site's too, whenever they run. */
export function asCurrentSite<Result>(site: string, body: () => Result): Result {
  const { activeTape } = tf.engine().state as unknown as { activeTape: TapeNode[] | null };
  const start = activeTape?.length ?? 0;
  const result = within(site, body);
  for (const node of activeTape?.slice(start) ?? []) {
    const { gradient } = node;
    if (gradient === undefined) continue;
    const backward = <Value>(work: () => Value): Value => within(`the gradient of ${site}`, work);
    node.gradient = (dys) => {
      const ofInputs = Object.entries(backward(() => gradient(dys)));
      return Object.fromEntries(ofInputs.map(([name, compute]) => [name, () => backward(compute)]));
    };
  }
  return result;
}

function within<Result>(site: string, body: () => Result): Result {
  const outer = current;
  current = site;
  try {
    return body();
  } finally {
    current = outer;
  }
}
