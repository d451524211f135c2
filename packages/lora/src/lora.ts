import {
  type AdapterHost,
  apiVersion,
  defineMethod,
  type Handle,
  type PatchedModel,
  parseConfig,
  peftName,
  type SiteBase,
  type TensorSource,
  tf,
} from '@tunesmith/core';
import { exportAdapter, importAdapter } from './adapter-file.js';
import { combineLoras } from './combine/combine.js';
import { combineOptionsSchema } from './combine/options.js';
import { checkTogether, loraConfigSchema } from './config.js';
import { decompose } from './dora.js';
import { adaptEmbedding } from './embedding.js';
import { declareFactors, withoutStart } from './initialisation.js';
import { declarePreconditioner, type Preconditioned, preconditionGradients } from './lora-fa.js';
import { loraPlusGroups } from './lora-plus.js';
import { lowRankShape, lowRankUpdate } from './low-rank.js';
import { type Merge, mergeTokens, mergeUpdate } from './merge.js';
import { fromPeft, targetsOf, toPeft } from './peft-config.js';
import { unstacked } from './stacked-modules.js';
import { trainTokens } from './tokens.js';

/**
 * LoRA (Hu et al. 2021): y = W·x + scale · B·A·dropout(x), with A [rank, in] Kaiming-uniform and B [out, rank] zero, so
 * that training starts at the base model. Names, defaults and files are PEFT's (peft/tuners/lora/layer.py).
 */
export const lora = defineMethod({
  name: 'lora',
  apiVersion,
  summary: 'Low-rank updates beside frozen linear layers',
  config: loraConfigSchema,
  trainingOptions: ['dropout', 'loraPlusRatio', 'loraPlusEmbeddingRate'],
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: false, quantizedBase: true },
  fromPeft,
  combine: (adapters, options) => combineLoras(adapters, parseConfig(combineOptionsSchema, options, 'lora.combine')),
  create(config) {
    checkTogether(config);
    const targets = new Set<SiteBase['path']>();
    let model: PatchedModel | undefined;
    const tokensByRows = new Map<Handle, readonly number[]>();
    const merge: Merge = async (site, weight, host, sign) => {
      const update = await mergeUpdate(config, site, weight, host, sign);
      return update === false ? mergeTokens(tokensByRows, site, weight, host) : update;
    };
    return {
      patchModel(patcher) {
        model = patcher.model;
        const selector = {
          include: targetsOf(config, patcher.model),
          ...(config.excludeModules === undefined ? {} : { exclude: config.excludeModules }),
          ...(config.layersToTransform === undefined ? {} : { layers: config.layersToTransform }),
        };
        const preconditioned: Preconditioned[] = [];
        const wrapped = patcher.wrap(['linear', 'embedding'], selector, (site) => {
          const shape = lowRankShape(config, site.path);
          if (site.kind === 'embedding') return adaptEmbedding(site, config, shape);
          const { scale } = shape;
          const factors = declareFactors(site, config, shape);
          if (config.useLoraFa) {
            preconditioned.push({ b: factors.b, preconditioner: declarePreconditioner(site, factors.a), scale });
          }
          if (config.useDora) return decompose(site, config, factors, scale);
          return (x, next, t) => {
            const update = lowRankUpdate(t.dropout(x, config.dropout), t.value(factors.a), t.value(factors.b), scale);
            return tf.add(withoutStart(t, factors, scale, x, next(x)), update);
          };
        });
        for (const { path } of wrapped) targets.add(path);
        if (config.bias !== 'none') {
          const targetBiases = new Set(
            wrapped.map((site) => (site.kind === 'linear' ? site.biasHandle?.path : undefined)),
          );
          patcher.train(({ path }) => (config.bias === 'all' ? path.endsWith('.bias') : targetBiases.has(path)));
        }
        if (config.modulesToSave !== undefined) patcher.trainModules(config.modulesToSave);
        for (const [rows, tokens] of trainTokens(patcher, config, targets)) tokensByRows.set(rows, tokens);
        return {
          groups: loraPlusGroups(config),
          ...(config.useLoraFa ? { transformGradients: (u) => preconditionGradients(preconditioned, u) } : {}),
        };
      },

      peftConfig: (model) => toPeft(config, model),

      // PEFT keeps a wrapped module's own bias one level deeper, in its `base_layer`.
      adapterName({ owner, path }: Handle): string {
        const module = path.slice(0, -'.bias'.length);
        return owner === 'base' && targets.has(module) ? peftName(`${module}.base_layer.bias`) : peftName(path);
      },
      exportAdapter,
      async importAdapter(file: TensorSource, host: AdapterHost): Promise<TensorSource> {
        const parameters = config.targetParameters ?? [];
        return importAdapter(model === undefined ? file : await unstacked(file, parameters, model), host);
      },

      merge,
      mergeEmbedding: merge,
    };
  },
});
