import { apiVersion, constant, defineMethod, type LinearSite, type MergeHost, tf } from '@tunesmith/core';
import { feedforwardOf, fromPeft, targetsOf, toPeft } from './checkpoint.js';
import { ia3ConfigSchema } from './config.js';
import { isFeedforward, rescale } from './scale.js';

/**
 * IA³ (Liu et al. 2022, §3.3): a vector l for each target, 1 at the start, so that training begins at the base model.
 * Keys and values become l ⊙ (W·x + b); the feed-forward layer becomes W·(l ⊙ x) + b. Names, defaults and files are
 * PEFT's (peft/tuners/ia3/layer.py), which also scales all of a fused query, key and value.
 */
export const ia3 = defineMethod({
  name: 'ia3',
  apiVersion,
  summary: 'Learned scales of keys, values and feed-forward activations',
  config: ia3ConfigSchema,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: false, quantizedBase: true },
  // PEFT's benchmark of IA³ on all its linear layers; scales move from 1, and a rate for weights hardly moves them.
  defaults: { learningRate: 5e-3 },
  fromPeft,
  create(config) {
    const scalesInput = new Set<LinearSite['path']>();
    const vector = async (site: LinearSite, host: MergeHost): Promise<Float32Array | undefined> => {
      const handle = host.handle(site, 'ia3_l');
      return handle === undefined ? undefined : await host.read(handle);
    };
    return {
      patchModel(patcher) {
        const feedforward = feedforwardOf(config, patcher.model);
        const selector = {
          include: targetsOf(config, patcher.model),
          ...(config.excludeModules === undefined ? {} : { exclude: config.excludeModules }),
        };
        patcher.wrap('linear', selector, ({ path, inFeatures, outFeatures, parameter }) => {
          const onInput = isFeedforward(path, feedforward);
          if (onInput) scalesInput.add(path);
          const shape = onInput ? [1, inFeatures] : [outFeatures, 1];
          // Weight decay would pull the scales to 0, and with them the model; their neutral value is 1.
          const l = parameter('ia3_l', { shape, init: constant(1), decay: false });
          return (x, next, t) => {
            const scale = tf.reshape(t.value(l), [-1]); // [in] or [out]
            return onInput ? next(tf.mul(x, scale)) : tf.mul(next(x), scale);
          };
        });
        if (config.modulesToSave !== undefined) patcher.trainModules(config.modulesToSave);
      },

      peftConfig: (model) => toPeft(config, model),

      async merge(site, weight, host, sign) {
        const l = await vector(site, host);
        if (l === undefined) return false;
        const { inFeatures } = site;
        const of = scalesInput.has(site.path)
          ? (index: number) => index % inFeatures
          : (index: number) => Math.floor(index / inFeatures);
        return rescale(weight, (index) => l[of(index)] as number, sign);
      },

      async mergeBias(site, bias, host, sign) {
        const l = await vector(site, host);
        if (l === undefined || scalesInput.has(site.path)) return false;
        return rescale(bias, (index) => l[index] as number, sign);
      },
    };
  },
});
