import { constant, defineMethod, type Handle, linear, matchesName, tf, uniform, zeros } from '@tunesmith/core';
import { z } from 'zod';
import { addScaledProduct } from './scaled-product.js';

const config = z.object({
  rank: z.int().min(1).default(256).describe("Rows of A and columns of B. Default: PEFT's `r` = 256."),
  targetModules: z
    .array(z.string().min(1))
    .optional()
    .describe("Linear modules, by name or path ending. Default: LoRA's for the family, as in PEFT."),
  dInitial: z.number().default(0.1).describe('First value of d. Default: 0.1 (Kopiczko et al. 2024, table 6c).'),
});

/**
 * VeRA (Kopiczko et al. 2024, eq. 2): y = W·x + b ⊙ B·(d ⊙ A·x). A [rank, in] and B [out, rank] are random, frozen and
 * shared by all layers; each takes the corner that it needs and trains d [rank] and b [out]. Files are PEFT's.
 */
export const vera = defineMethod({
  name: 'vera',
  apiVersion: 1,
  summary: 'Two vectors per layer that scale random projections shared by all',
  config,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: false, quantizedBase: true },
  // What is left out here and would change the adapter shows as tensors too many or too few, which loading refuses.
  fromPeft: ({ peft_type, r, target_modules, d_initial }) =>
    peft_type === 'VERA' ? config.parse({ rank: r, targetModules: target_modules, dInitial: d_initial }) : null,
  create({ rank, targetModules, dInitial }) {
    const projections: Handle[] = [];
    return {
      patchModel(patcher) {
        const include = targetModules ?? patcher.model.defaultTargets.lora ?? [];
        const targets = patcher.sites('linear').filter(({ path }) => include.some((name) => matchesName(path, name)));
        const widest = Math.max(...targets.map(({ inFeatures }) => inFeatures));
        const tallest = Math.max(...targets.map(({ outFeatures }) => outFeatures));
        const a = patcher.buffer('vera_A', { shape: [rank, widest], init: uniform(Math.sqrt(6 / widest)) });
        const b = patcher.buffer('vera_B', { shape: [tallest, rank], init: uniform(Math.sqrt(6 / rank)) });
        projections.push(a, b);
        patcher.wrap('linear', { include }, ({ inFeatures, outFeatures, parameter }) => {
          const lambdaD = parameter('vera_lambda_d', { shape: [rank], init: constant(dInitial) });
          const lambdaB = parameter('vera_lambda_b', { shape: [outFeatures], init: zeros });
          return (x, next, t) => {
            const low = linear(x, tf.slice(t.value(a), [0, 0], [rank, inFeatures])); // [.., rank]
            const high = linear(tf.mul(low, t.value(lambdaD)), tf.slice(t.value(b), [0, 0], [outFeatures, rank]));
            return tf.add(next(x), tf.mul(high, t.value(lambdaB))); // [.., out]
          };
        });
      },
      peftConfig: ({ defaultTargets, fanInFanOut }) => ({
        ...{ peft_type: 'VERA', task_type: 'CAUSAL_LM', r: rank, d_initial: dInitial, fan_in_fan_out: fanInFanOut },
        target_modules: targetModules ?? defaultTargets.lora,
      }),
      adapterName: ({ kind, path }) => (kind === 'buffer' ? `base_model.${path}` : `base_model.model.${path}`),
      merge: (site, weight, host, sign) => addScaledProduct(site, weight, host, sign, projections),
    };
  },
});
