import {
  type AfterUpdateTrace,
  apiVersion,
  constant,
  defineMethod,
  type Handle,
  linear,
  normal,
  type Tensor,
  tf,
  type UpdateTrace,
  zeros,
} from '@tunesmith/core';
import { addLowRankProduct } from '../low-rank.js';
import { adapterFile, fromPeft, targetsOf, toPeft } from './adapter-file.js';
import { budgetControls } from './budget.js';
import { adaloraConfigSchema } from './config.js';
import { type Followed, follow, keepBest, rankScores, updateImportance } from './importance.js';
import { keptSuffix, stepsName } from './state.js';

/** One module: ΔW = scale · B·diag(E)·A, and which of its ranks are kept. */
interface Triplet {
  readonly a: Followed;
  readonly e: Followed;
  readonly b: Followed;
  /** [rank, 1], 1 or 0. */
  readonly kept: Handle;
}

/**
 * AdaLoRA (Zhang et al. 2023): y = W·x + scale · B·(E ∘ A·dropout(x)) with A [rank, in], E [rank, 1] and B [out, rank], kept
 * near orthonormal by a penalty, so that E holds singular values. Training starts with more ranks than it may keep; those
 * worth least are set to zero, wherever they are. Names, defaults and files are PEFT's (peft/tuners/adalora).
 */
export const adalora = defineMethod({
  name: 'adalora',
  apiVersion,
  summary: 'Low-rank updates whose ranks go where they matter most',
  config: adaloraConfigSchema,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: false, quantizedBase: true },
  fromPeft,
  create(config) {
    const { initRank: rank, dropout } = config;
    // The 1e-5 is PEFT's, which divides by a rank that might be 0.
    const scale = config.alpha / (rank + 1e-5);
    return {
      patchModel(patcher) {
        const triplets: Triplet[] = [];
        const selector = {
          include: targetsOf(config, patcher.model),
          ...(config.excludeModules === undefined ? {} : { exclude: config.excludeModules }),
          ...(config.layersToTransform === undefined ? {} : { layers: config.layersToTransform }),
        };
        patcher.wrap('linear', selector, (site) => {
          const vectors = normal(0.02);
          const a = site.parameter('lora_A', { shape: [rank, site.inFeatures], init: vectors });
          const e = site.parameter('lora_E', { shape: [rank, 1], init: zeros });
          const b = site.parameter('lora_B', { shape: [site.outFeatures, rank], init: vectors, tags: ['lora_B'] });
          const kept = site.buffer(`lora_E${keptSuffix}`, { shape: [rank, 1], init: constant(1) });
          triplets.push({
            a: follow(site, 'lora_A', a),
            e: follow(site, 'lora_E', e),
            b: follow(site, 'lora_B', b),
            kept,
          });
          return (x, next, t) => {
            const low = tf.mul(linear(t.dropout(x, dropout), t.value(a)), tf.reshape(t.value(e), [-1])); // [.., rank]
            return tf.add(next(x), tf.mul(linear(low, t.value(b)), scale)); // [.., out]
          };
        });
        if (config.modulesToSave !== undefined) patcher.trainModules(config.modulesToSave);
        const steps = patcher.buffer(stepsName, { shape: [1], init: zeros });
        return {
          controls: budgetControls(triplets.length, config),
          penalty: (u) => tf.mul(orthogonality(triplets, u), config.orthRegWeight),
          afterUpdate: (u) => new Map([...allocate(triplets, config, u), [steps, tf.reshape(u.control('steps'), [1])]]),
        };
      },

      peftConfig: (model) => toPeft(config, model),
      ...adapterFile(config),

      async merge(site, weight, host, sign) {
        const [a, e, b] = ['lora_A', 'lora_E', 'lora_B'].map((name) => host.handle(site, name));
        if (a === undefined || e === undefined || b === undefined) return false;
        const values = await host.read(e);
        const scaled = (await host.read(a)).map(
          (value, index) => value * (values[Math.floor(index / site.inFeatures)] as number),
        );
        addLowRankProduct(weight, scaled, await host.read(b), rank, sign * scale);
        return true;
      },
    };
  },
});

/** The mean of ‖A·Aᵀ − I‖ and ‖Bᵀ·B − I‖, Frobenius norms, over all modules (eq. 4). */
function orthogonality(triplets: readonly Triplet[], u: UpdateTrace): Tensor {
  const distances = triplets.flatMap(({ a, b }) => [
    distanceFromIdentity(tf.matMul(u.value(a.parameter), u.value(a.parameter), false, true)),
    distanceFromIdentity(tf.matMul(u.value(b.parameter), u.value(b.parameter), true, false)),
  ]);
  return tf.div(tf.addN(distances), distances.length);
}

function distanceFromIdentity(gram: Tensor): Tensor {
  const squares = tf.sum(tf.square(tf.sub(gram, tf.eye(gram.shape[0] as number))));
  // The root's slope at 0 is infinite; PyTorch's norm has 0 there.
  return tf.sqrt(tf.maximum(squares, 1e-30));
}

/** Follows what every rank is worth, and where it is time to, keeps the best; E is zero where a rank is not kept. */
function allocate(
  triplets: readonly Triplet[],
  config: Parameters<typeof updateImportance>[2],
  u: AfterUpdateTrace,
): [Handle, Tensor][] {
  const changed: [Handle, Tensor][] = [];
  const scores = triplets.map((triplet) => {
    const [a, e, b] = [triplet.a, triplet.e, triplet.b].map((followed) => {
      const { changed: buffers, score } = updateImportance(u, followed, config, u.control('follow'));
      changed.push(...buffers);
      return score;
    }) as [Tensor, Tensor, Tensor];
    return rankScores({ a, e, b });
  });
  const best = keepBest(tf.concat(scores), u.control('budget'));
  const [isNew, isHeld] = [u.control('allocate'), u.control('hold')];
  let start = 0;
  for (const { e, kept } of triplets) {
    const rank = kept.shape[0] as number;
    const chosen = tf.reshape(tf.slice(best, [start], [rank]), [rank, 1]);
    const keep = tf.add(tf.mul(isNew, chosen), tf.mul(tf.sub(1, isNew), u.value(kept)));
    // Between two allocations, and before the first, ranks may grow back.
    const masked = tf.maximum(isNew, isHeld);
    const factor = tf.sub(1, tf.mul(masked, tf.sub(1, keep)));
    changed.push([kept, keep], [e.parameter, tf.mul(u.after(e.parameter), factor)]);
    start += rank;
  }
  return changed;
}
