import {
  type Capabilities,
  type ConfiguredMethod,
  constant,
  type Initializer,
  type Middleware,
  type PatchableSite,
  type Patcher,
  type SiteRole,
  type Tensor,
  type Trace,
  tf,
} from '@tunesmith/core';
import { type Activation, activations } from './activation.js';
import { type Architecture, adapterHubFields, hubModule, sharedModule } from './checkpoint.js';
import { checkDivisible, type HypercomplexShape } from './hypercomplex.js';
import { glorotNormal, glorotUniform, type Initialisation, initialisations } from './initialisation.js';
import { type DeclareProjection, denseProjection, hypercomplexProjection, sharedRules } from './projection.js';

/** What a config comes to when its convention has filled in what it leaves out. */
export interface BottleneckOptions {
  readonly convention: 'adapterhub' | 'paper';
  readonly reductionFactor: number;
  readonly activation: Activation;
  readonly initialisation: Initialisation;
  readonly scaling: number | 'learned' | 'channel';
  readonly dropout: number;
  readonly leaveOut: readonly number[];
  readonly trainLayerNorms: boolean;
}

/** How the two projections are made: by weights of their own, or by Compacter's shared rules. */
export type Weights = HypercomplexShape | 'dense';

/** [batch, seq, hidden] → what is added to the branch. */
type Bottleneck = (x: Tensor, t: Trace) => Tensor;

/**
 * A bottleneck adapter: s · W_up·f(W_down·x) beside the sublayers that the architecture names
 * (adapters/methods/modeling.py, Adapter and ParallelAdapter). The one mechanism of all methods of this package.
 */
export function bottleneckMethod(
  architecture: Architecture,
  options: BottleneckOptions,
  weights: Weights = 'dense',
): ConfiguredMethod {
  /** By path, where AdapterHub has a parameter's module. */
  const modules = new Map<string, string>();
  let elsewhere = false;
  return {
    capabilities: startsAsBase(options, weights),

    patchModel(patcher) {
      const declare = declareBottleneck(patcher, options, weights, modules);
      const roles: SiteRole[] = architecture.attention ? ['attention', 'mlp'] : ['mlp'];
      // He et al. read what the sublayer reads, which is normed where the family norms before; AdapterHub reads the stream.
      const isPaper = architecture.reads === 'stream' && options.convention === 'paper';
      elsewhere = isPaper && patcher.sites('residual').some(isPreNorm);
      const include = [...patcher.sites(elsewhere ? 'sublayer' : 'residual')]
        .filter(({ role, depth }) => roles.includes(role) && !options.leaveOut.includes(depth ?? -1))
        .map(({ path }) => path);
      if (elsewhere) {
        patcher.wrap('sublayer', { include }, (site): Middleware<'sublayer'> => {
          const bottleneck = declare(site);
          return (x, next, t) => tf.add(next(x), bottleneck(x, t));
        });
      } else {
        patcher.wrap('residual', { include }, (site): Middleware<'residual'> => {
          const bottleneck = declare(site);
          return (call, next, t) => {
            const branch = next(call);
            const read = { branch, stream: call.stream, sum: () => call.after(branch) }[architecture.reads];
            return tf.add(branch, bottleneck(typeof read === 'function' ? read() : read, t));
          };
        });
      }
      if (!options.trainLayerNorms) return;
      const norms = new Set(
        patcher.sites('norm').flatMap(({ weightHandle, biasHandle }) => [weightHandle, biasHandle]),
      );
      patcher.train((handle) => norms.has(handle));
    },

    adapterHubConfig: () => adapterHubFields(architecture, options, weights, elsewhere),
    adapterName: ({ path }) => modules.get(path) ?? path,
  };
}

/** Declares a bottleneck's parameters at a site, and where AdapterHub keeps them. */
function declareBottleneck(
  patcher: Patcher,
  { reductionFactor, activation, initialisation, scaling, dropout, convention }: BottleneckOptions,
  weights: Weights,
  modules: Map<string, string>,
): (site: PatchableSite<'residual' | 'sublayer'>) => Bottleneck {
  let project: DeclareProjection = denseProjection;
  let inits: { down: Initializer; up: Initializer } = initialisations[initialisation];
  if (weights !== 'dense') {
    const rules = sharedRules(patcher, weights);
    modules.set(rules.path, sharedModule(patcher, 'phm_rule'));
    project = hypercomplexProjection(rules, weights);
    // AdapterHub draws from the normal distribution whatever its `hypercomplex_nonlinearity` says.
    const factor = convention === 'adapterhub' ? glorotNormal : glorotUniform;
    inits = { down: factor, up: factor };
  }
  return (site) => {
    const hidden = site.features;
    const size = Math.max(1, Math.floor(hidden / reductionFactor));
    if (weights !== 'dense') checkDivisible([hidden, size], weights.division, site.path);
    const parameter: typeof site.parameter = (name, spec) => {
      const handle = site.parameter(name, spec);
      modules.set(handle.path, `${hubModule(patcher, site)}.adapters.${name}`);
      return handle;
    };
    const scope = { ...site, parameter };
    const down = project(scope, { name: 'adapter_down.0', inFeatures: hidden, outFeatures: size }, inits.down);
    const up = project(scope, { name: 'adapter_up', inFeatures: size, outFeatures: hidden }, inits.up);
    const scale =
      typeof scaling === 'number'
        ? undefined
        : parameter('scaling', { shape: [scaling === 'learned' ? 1 : hidden], init: constant(1) });
    return (x, t) => {
      const raised = up(activations[activation](down(x, t)), t); // [batch, seq, hidden]
      const scaled = tf.mul(raised, scale === undefined ? (scaling as number) : t.value(scale));
      return t.dropout(scaled, dropout);
    };
  };
}

function isPreNorm({ normAfter }: { normAfter: boolean }): boolean {
  return !normAfter;
}

/** The paper's near-identity is no identity; zeros are, and so are rules so small that float32 does not see their square. */
function startsAsBase({ initialisation }: BottleneckOptions, weights: Weights): Partial<Capabilities> {
  return {
    identityAtInit: weights === 'dense' ? initialisation === 'mam_adapter' : weights.ruleDeviation <= 1e-4,
  };
}
