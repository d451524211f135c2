import {
  apiVersion,
  defineMethod,
  type Handle,
  kaimingUniform,
  peftName,
  type SiteBase,
  tf,
  zeros,
} from '@tunesmith/core';
import { fromPeft, targetsOf, toPeft } from './checkpoint.js';
import { loraConfigSchema } from './config.js';
import { addLowRankProduct, lowRankShape, lowRankUpdate } from './low-rank.js';

/**
 * LoRA (Hu et al. 2021): y = W·x + scale · B·A·dropout(x), with A [rank, in] Kaiming-uniform and B [out, rank] zero, so
 * that training starts at the base model. Names, defaults and files are PEFT's (peft/tuners/lora/layer.py).
 */
export const lora = defineMethod({
  name: 'lora',
  apiVersion,
  summary: 'Low-rank updates beside frozen linear layers',
  config: loraConfigSchema,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: false },
  fromPeft,
  create(config) {
    const targets = new Set<SiteBase['path']>();
    return {
      patchModel(patcher) {
        const selector = {
          include: targetsOf(config, patcher.model),
          ...(config.excludeModules === undefined ? {} : { exclude: config.excludeModules }),
          ...(config.layersToTransform === undefined ? {} : { layers: config.layersToTransform }),
        };
        const wrapped = patcher.wrap('linear', selector, (site) => {
          const { rank, scale } = lowRankShape(config, site.path);
          const a = site.parameter('lora_A.weight', { shape: [rank, site.inFeatures], init: kaimingUniform() });
          const b = site.parameter('lora_B.weight', { shape: [site.outFeatures, rank], init: zeros, tags: ['lora_B'] });
          return (x, next, t) => {
            const update = lowRankUpdate(t.dropout(x, config.dropout), t.value(a), t.value(b), scale);
            return tf.add(next(x), update);
          };
        });
        for (const { path } of wrapped) targets.add(path);
        if (config.bias !== 'none') {
          const targetBiases = new Set(wrapped.map(({ biasHandle }) => biasHandle?.path));
          patcher.train(({ path }) => (config.bias === 'all' ? path.endsWith('.bias') : targetBiases.has(path)));
        }
        if (config.modulesToSave !== undefined) patcher.trainModules(config.modulesToSave);
      },

      peftConfig: (model) => toPeft(config, model),

      // PEFT keeps a wrapped module's own bias one level deeper, in its `base_layer`.
      adapterName({ owner, path }: Handle): string {
        const module = path.slice(0, -'.bias'.length);
        return owner === 'base' && targets.has(module) ? peftName(`${module}.base_layer.bias`) : peftName(path);
      },

      async merge(site, weight, host, sign) {
        const a = host.handle(site, 'lora_A.weight');
        const b = host.handle(site, 'lora_B.weight');
        if (a === undefined || b === undefined) return false;
        const { rank, scale } = lowRankShape(config, site.path);
        addLowRankProduct(weight, await host.read(a), await host.read(b), rank, sign * scale);
        return true;
      },
    };
  },
});
