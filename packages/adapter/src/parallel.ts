import { apiVersion, defineMethod } from '@tunesmith/core';
import { bottleneckMethod } from './bottleneck.js';
import { fromAdapterHub } from './checkpoint.js';
import { bottleneckSchema, withChoices } from './config.js';

/** x + h + s·A(x), x the stream before the feed-forward layer and h its output; in the paper A reads what the layer reads. */
const architecture = { attention: false, reads: 'stream' } as const;
const learned = { ...architecture, learnedScale: true } as const;

/** He et al. 2021, §4.1 and their code: ReLU, and LoRA's start. Only the scale differs. */
const rest = { activation: 'relu', initialisation: 'mam_adapter', trainLayerNorms: false } as const;
const words = { activation: 'relu', initialisation: 'mam_adapter', trainLayerNorms: 'false' };

/** AdapterHub's `par_bn`, whose scale is 4; the paper's plain parallel adapter has none. */
export const parallel = defineMethod({
  name: 'parallel',
  apiVersion,
  summary: 'One bottleneck a block, beside the feed-forward layer',
  config: bottleneckSchema(2, { ...words, scaling: "AdapterHub's 4, the paper's 1" }),
  capabilities: { mergeable: false, identityAtInit: true, trainsBase: false, quantizedBase: true },
  fromAdapterHub: (hub) => fromAdapterHub(hub, architecture),
  create: (config) =>
    bottleneckMethod(
      architecture,
      withChoices(config, { adapterhub: { ...rest, scaling: 4 }, paper: { ...rest, scaling: 1 } }),
    ),
});

/** AdapterHub's `scaled_par_bn`, whose scale trains from 1; the paper's scaled parallel adapter has a fixed 4. */
export const scaledParallel = defineMethod({
  name: 'scaled-parallel',
  apiVersion,
  summary: 'One bottleneck a block, beside the feed-forward layer, with a scale',
  config: bottleneckSchema(2, { ...words, scaling: "AdapterHub's learned, the paper's 4" }),
  capabilities: { mergeable: false, identityAtInit: true, trainsBase: false, quantizedBase: true },
  fromAdapterHub: (hub) => fromAdapterHub(hub, learned),
  create: (config) =>
    bottleneckMethod(
      learned,
      withChoices(config, { adapterhub: { ...rest, scaling: 'learned' }, paper: { ...rest, scaling: 4 } }),
    ),
});
