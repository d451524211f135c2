import { apiVersion, defineMethod } from '@tunesmith/core';
import { bottleneckMethod } from './bottleneck.js';
import { fromAdapterHub } from './checkpoint.js';
import { type CompacterConfig, compacterSchema, withChoices } from './config.js';

/** Houlsby's places, with projections made of shared rules and factors of rank 1. */
const both = { attention: true, reads: 'branch', hypercomplex: true } as const;
/** Only after the feed-forward layer. In AdapterHub's library it reads the stream, as Pfeiffer's adapters do. */
const one = { attention: false, reads: 'sum', hypercomplex: true } as const;
/** In the authors' code it reads the feed-forward layer's output. */
const oneOfPaper = { ...one, reads: 'branch' } as const;

/** AdapterHub's `compacter` and `compacter++`; rabeehk/compacter, seq2seq/configs/compacter.json. */
const choices = {
  adapterhub: { activation: 'gelu', initialisation: 'bert', scaling: 1, trainLayerNorms: false },
  paper: { activation: 'gelu_new', initialisation: 'bert', scaling: 1, trainLayerNorms: true },
} as const;

function weightsOf({ hypercomplexDivision: division, hypercomplexRank: rank, ruleDeviation }: CompacterConfig) {
  return { division, rank, ruleDeviation };
}

/** Mahabadi et al. 2021: Houlsby's bottlenecks, their weights sums of Kronecker products. The rate is the authors'. */
export const compacter = defineMethod({
  name: 'compacter',
  apiVersion,
  summary: 'Bottlenecks of shared Kronecker factors after attention and after the feed-forward layer',
  config: compacterSchema(),
  capabilities: { mergeable: false, identityAtInit: true, trainsBase: false, quantizedBase: true },
  defaults: { learningRate: 3e-3 },
  fromAdapterHub: (hub) => fromAdapterHub(hub, both),
  create: (config) => bottleneckMethod(both, withChoices(config, choices), weightsOf(config)),
});

/** Compacter++: the same after the feed-forward layer only. */
export const compacterPlusPlus = defineMethod({
  name: 'compacter++',
  apiVersion,
  summary: 'Bottlenecks of shared Kronecker factors after the feed-forward layer',
  config: compacterSchema(),
  capabilities: { mergeable: false, identityAtInit: true, trainsBase: false, quantizedBase: true },
  defaults: { learningRate: 3e-3 },
  fromAdapterHub(hub) {
    const config = fromAdapterHub(hub, oneOfPaper);
    return config === null ? fromAdapterHub(hub, one) : { ...config, convention: 'paper' as const };
  },
  create: (config) =>
    bottleneckMethod(config.convention === 'paper' ? oneOfPaper : one, withChoices(config, choices), weightsOf(config)),
});
