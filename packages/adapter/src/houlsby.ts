import { apiVersion, defineMethod } from '@tunesmith/core';
import { bottleneckMethod } from './bottleneck.js';
import { fromAdapterHub } from './checkpoint.js';
import { bottleneckSchema, withChoices } from './config.js';

/** h ← h + A(h), h the output of attention and of the feed-forward layer, before it is added to the stream. */
const architecture = { attention: true, reads: 'branch' } as const;

/** AdapterHub's `double_seq_bn`; Houlsby et al. 2019, §2.1 and §3.6, and google-research/adapter-bert for the activation. */
const choices = {
  adapterhub: { activation: 'swish', initialisation: 'bert', scaling: 1, trainLayerNorms: false },
  paper: { activation: 'gelu_new', initialisation: 'houlsby', scaling: 1, trainLayerNorms: true },
} as const;

/** Houlsby et al. 2019: two bottlenecks a block. */
export const houlsby = defineMethod({
  name: 'houlsby',
  apiVersion,
  summary: 'Bottlenecks after attention and after the feed-forward layer',
  config: bottleneckSchema(16, {
    activation: "AdapterHub's swish, the authors' gelu_new",
    initialisation: "AdapterHub's bert, the paper's houlsby",
    scaling: '1',
    trainLayerNorms: "AdapterHub's false, the paper's true",
  }),
  capabilities: { mergeable: false, identityAtInit: false, trainsBase: false, quantizedBase: true },
  fromAdapterHub: (hub) => fromAdapterHub(hub, architecture),
  create: (config) => bottleneckMethod(architecture, withChoices(config, choices)),
});
