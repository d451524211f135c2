import { type Patcher, type SiteBase, TunesmithError } from '@tunesmith/core';
import type { BottleneckOptions, Weights } from './bottleneck.js';

/** What sets one method apart from another in AdapterHub's config. */
export interface Architecture {
  /** After attention too, not only after the feed-forward layer. */
  readonly attention: boolean;
  /** What a bottleneck reads: the sublayer's output, the stream that it made, or the stream before it (parallel). */
  readonly reads: 'branch' | 'sum' | 'stream';
  /** Whether the scale trains. */
  readonly learnedScale?: boolean;
  /** Whether the weights are made of shared rules. */
  readonly hypercomplex?: boolean;
}

/** Fields of AdapterHub's BnConfig that we know at one value only (adapters/configuration/adapter_config.py, 1.3). */
const fixed: Readonly<Record<string, unknown>> = {
  adapter_residual_before_ln: false,
  cross_adapter: false,
  factorized_phm_W: true,
  factorized_phm_rule: false,
  hypercomplex_nonlinearity: 'glorot-uniform',
  init_weights_seed: null,
  inv_adapter: null,
  inv_adapter_reduction_factor: null,
  learn_phm: true,
  ln_after: false,
  ln_before: false,
  original_ln_after: true,
  output_adapter: true,
  phm_bias: true,
  phm_c_init: 'normal',
  residual_before_ln: true,
  shared_W_phm: false,
  shared_phm_rule: true,
  stochastic_depth: 0,
  use_gating: false,
};

/** Whether a field changes nothing: about how training began, or about what the architecture does without. */
function isIdle(field: string, { reads, hypercomplex = false }: Architecture): boolean {
  if (['hypercomplex_nonlinearity', 'phm_c_init', 'init_weights_seed', 'phm_init_range'].includes(field)) return true;
  // Read where the adapter has a norm of its own, and where it reads the normed stream.
  if (field === 'adapter_residual_before_ln' || (field === 'residual_before_ln' && reads !== 'sum')) return true;
  return !hypercomplex && /phm/.test(field);
}

/** AdapterHub's `architecture` for what its library cannot compute: it has no class for the name, and refuses. */
const ownArchitecture = 'tunesmith_parallel';

/** The `config` of AdapterHub's adapter_config.json. */
export function adapterHubFields(
  { attention, reads }: Architecture,
  options: BottleneckOptions,
  weights: Weights,
  elsewhere: boolean,
): Record<string, unknown> {
  const { division, rank, ruleDeviation } = weights === 'dense' ? idleRules : weights;
  return {
    ...fixed,
    ...(elsewhere ? { architecture: ownArchitecture } : {}),
    mh_adapter: attention,
    original_ln_before: reads === 'sum',
    is_parallel: reads === 'stream',
    phm_layer: weights !== 'dense',
    phm_dim: division,
    phm_rank: rank,
    phm_init_range: ruleDeviation,
    dropout: options.dropout,
    init_weights: options.initialisation,
    leave_out: options.leaveOut,
    non_linearity: options.activation,
    reduction_factor: options.reductionFactor,
    scaling: options.scaling,
    // AdapterHub's library takes it for an attribute of no meaning, and loads the norms' tensors by their names.
    ...(options.trainLayerNorms ? { train_layer_norms: true } : {}),
  };
}

const idleRules = { division: 4, rank: 1, ruleDeviation: 1e-4 };

/** Our options by AdapterHub's field. */
const options: Readonly<Record<string, string>> = {
  dropout: 'dropout',
  leave_out: 'leaveOut',
  non_linearity: 'activation',
  reduction_factor: 'reductionFactor',
  scaling: 'scaling',
};
const hypercomplexOptions: Readonly<Record<string, string>> = {
  phm_dim: 'hypercomplexDivision',
  phm_rank: 'hypercomplexRank',
  phm_init_range: 'ruleDeviation',
};

/**
 * AdapterHub's config as a method's options, or null where it describes another architecture. Every field counts, also
 * where it is false: much of what is on in AdapterHub's library is on by default.
 * @throws CAPABILITY_MISSING for what would change the adapter's meaning and has no counterpart here
 */
export function fromAdapterHub(
  hub: Readonly<Record<string, unknown>>,
  architecture: Architecture,
): Record<string, unknown> | null {
  const { attention, reads, learnedScale = false, hypercomplex = false } = architecture;
  const { architecture: named = null, train_layer_norms: trainLayerNorms = false, ...described } = hub;
  const { mh_adapter, original_ln_before, is_parallel, phm_layer, ...rest } = described;
  const isOurs =
    (named === null || named === ownArchitecture) &&
    (mh_adapter === true) === attention &&
    (is_parallel === true) === (reads === 'stream') &&
    (reads === 'stream' || (original_ln_before === true) === (reads === 'sum')) &&
    (typeof rest.scaling === 'string') === learnedScale &&
    (phm_layer === true) === hypercomplex;
  if (!isOurs) return null;
  const known: Readonly<Record<string, string>> = {
    ...options,
    ...(hypercomplex ? hypercomplexOptions : { init_weights: 'initialisation' }),
  };
  const config: Record<string, unknown> = {
    convention: named === null ? 'adapterhub' : 'paper',
    trainLayerNorms,
  };
  for (const [field, value] of Object.entries(rest)) {
    const option = known[field];
    if (option !== undefined) config[option] = value;
    else if (value !== fixed[field] && !isIdle(field, architecture) && field !== 'init_weights') refuse(field, value);
  }
  return config;
}

function refuse(field: string, value: unknown): void {
  const expected = field in fixed ? JSON.stringify(fixed[field]) : 'null, false or empty';
  if (!(field in fixed) && (value === null || value === false)) return;
  throw new TunesmithError('CAPABILITY_MISSING', `"${field}" of this AdapterHub adapter is not supported`, {
    where: 'config of adapter_config.json',
    expected,
    got: JSON.stringify(value),
  });
}

/** The module that AdapterHub's library keeps a site's adapters in: the family's own, or one of the block's. */
export function hubModule(patcher: Patcher, { role, depth, path }: SiteBase): string {
  const name = patcher.model.adapterModules?.[role as 'attention' | 'mlp'];
  if (name === undefined) return path;
  const block = patcher.sites('block').find((site) => site.depth === depth);
  return `${block?.path}.${name}`;
}

/**
 * What all of an adapter's modules share lies beside the base model's own modules: an encoder and a decoder are such modules,
 * and have no name around them. (There AdapterHub's library forgets to save it, looking for a name that something stands before.)
 */
export function sharedModule(patcher: Patcher, name: string): string {
  const [base, ...others] = new Set(patcher.sites('block').map(({ path }) => path.split('.')[0]));
  return others.length > 0 ? `shared_parameters.${name}` : `${base}.shared_parameters.${name}`;
}
