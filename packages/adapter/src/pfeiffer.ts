import { apiVersion, defineMethod } from '@tunesmith/core';
import { bottleneckMethod } from './bottleneck.js';
import { fromAdapterHub } from './checkpoint.js';
import { bottleneckSchema, withChoices } from './config.js';

/** x + h + A(x + h), h the output of the feed-forward layer; what A reads is normed where the family norms after adding. */
const architecture = { attention: false, reads: 'sum' } as const;

/** AdapterHub's `seq_bn`, by the paper's own authors. */
const choice = { activation: 'relu', initialisation: 'bert', scaling: 1, trainLayerNorms: false } as const;

/** Pfeiffer et al. 2020: one bottleneck a block. */
export const pfeiffer = defineMethod({
  name: 'pfeiffer',
  apiVersion,
  summary: 'One bottleneck a block, after the feed-forward layer',
  config: bottleneckSchema(16, {
    activation: 'relu',
    initialisation: 'bert',
    scaling: '1',
    trainLayerNorms: 'false',
  }),
  capabilities: { mergeable: false, identityAtInit: false, trainsBase: false, quantizedBase: true },
  fromAdapterHub: (hub) => fromAdapterHub(hub, architecture),
  create: (config) => bottleneckMethod(architecture, withChoices(config, { adapterhub: choice, paper: choice })),
});
