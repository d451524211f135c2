import {
  apiVersion,
  defineMethod,
  type Handle,
  type LinearSite,
  linear,
  type Patcher,
  type PatchHooks,
  type RunLength,
  type Stage,
  type Tensor,
  TunesmithError,
  tf,
  zeros,
} from '@tunesmith/core';
import { type FarConfig, farConfigSchema } from './config.js';
import { chooseLearners, feedForwardLayers, type Learners, movedName, nodeRows, weightsOf } from './learner-nodes.js';
import { replaceColumns } from './replace-columns.js';

const [nodesName, weightName, biasName] = ['learners.nodes', 'learners.weight', 'learners.bias'];

/**
 * FAR, freeze and reconfigure (Vucetic et al. 2022): for a few steps everything trains; then the nodes of feed-forward
 * layers that moved least are frozen where they are, and the others are brought together in a dense layer of their own,
 * whose gradient is all that is computed of them. A node is an output of a linear layer, with its row of the weight and its
 * bias; it moved by Σ |w − w₀| over both.
 */
export const far = defineMethod({
  name: 'far',
  apiVersion,
  summary: 'Train everything for a few steps, then only the feed-forward nodes that moved most',
  config: farConfigSchema,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: true, savesModel: true },
  create: (config) => ({
    stages: (run) => farStages(run, config),

    patchModel(patcher) {
      const layers = feedForwardLayers(patcher);
      const learners = (patcher.stage?.memory ?? null) as Learners | null;
      return learners === null ? prime(patcher, layers, config) : reconfigure(patcher, layers, learners, config);
    },

    async merge(site, weight, host, sign) {
      const [nodes, rows] = [host.handle(site, nodesName), host.handle(site, weightName)];
      if (nodes === undefined || rows === undefined || sign === -1) return false;
      const [at, values] = [await host.readArray(nodes), await host.read(rows)];
      const { inFeatures } = site;
      at.forEach((node, index) => {
        weight.set(values.subarray(index * inFeatures, (index + 1) * inFeatures), node * inFeatures);
      });
      return 'irreversible';
    },

    async mergeBias(site, bias, host, sign) {
      const [nodes, biases] = [host.handle(site, nodesName), host.handle(site, biasName)];
      if (nodes === undefined || biases === undefined || sign === -1) return false;
      const [at, values] = [await host.readArray(nodes), await host.read(biases)];
      at.forEach((node, index) => {
        bias[node] = values[index] as number;
      });
      return 'irreversible';
    },
  }),
});

function farStages({ steps }: RunLength, { priming, keep }: FarConfig): Stage[] {
  const length = Math.max(1, Math.round(priming * steps));
  if (length >= steps) {
    throw new TunesmithError('CONFIG_INVALID', 'priming leaves no step for the nodes that it chooses', {
      where: 'far.priming',
      expected: 'fewer steps than the run has',
      got: `${length} of ${steps}`,
    });
  }
  return [
    { name: 'priming', run: 'train', length },
    { name: 'learners', run: 'train', enter: async (host) => ({ memory: await chooseLearners(host, keep) }) },
  ];
}

/** Everything trains, and each node's distance from where it began is kept beside it. */
function prime(patcher: Patcher, layers: readonly LinearSite[], config: FarConfig): PatchHooks {
  const own = new Set(layers.flatMap(weightsOf));
  patcher.train((handle) => config.rest === 'train' || own.has(handle));
  const watched = layers.map((site) => ({
    site,
    moved: patcher.buffer(`${site.path}.${movedName}`, { shape: [site.outFeatures], init: zeros }),
    starts: weightsOf(site).map((handle, index) =>
      patcher.buffer(`${site.path}.start.${['weight', 'bias'][index]}`, {
        shape: handle.shape,
        init: ({ readBase }) => readBase(handle.path),
      }),
    ),
  }));
  return {
    afterUpdate: (u) =>
      new Map(
        watched.map(({ site, moved, starts }): [Handle, Tensor] => {
          const distances = weightsOf(site).map((handle, index) => {
            const distance = tf.abs(tf.sub(u.after(handle), u.value(starts[index] as Handle)));
            return handle === site.biasHandle ? distance : tf.sum(distance, site.layout === 'out-in' ? 1 : 0); // [out]
          });
          return [moved, tf.addN(distances)];
        }),
      ),
  };
}

/** The chosen nodes of each layer train as a layer of their own, whose outputs take the place of theirs. */
function reconfigure(
  patcher: Patcher,
  layers: readonly LinearSite[],
  learners: Learners,
  { rest }: FarConfig,
): PatchHooks {
  const own = new Set(layers.flatMap(weightsOf));
  if (rest === 'train') patcher.train((handle) => !own.has(handle));
  const include = layers.map(({ path }) => path);
  patcher.wrap('linear', { include }, (site) => {
    const { weightHandle, biasHandle, inFeatures } = site;
    const nodes = learners[site.path] as readonly number[];
    const count = nodes.length;
    const columns = site.buffer(nodesName, { shape: [count], dtype: 'int32', init: () => Int32Array.from(nodes) });
    const weight = site.parameter(weightName, {
      shape: [count, inFeatures],
      init: async ({ readBase }) => nodeRows(await readBase(weightHandle.path), nodes, site),
    });
    const bias =
      biasHandle === null
        ? null
        : site.parameter(biasName, {
            shape: [count],
            init: async ({ readBase }) => {
              const stored = await readBase(biasHandle.path);
              return Float32Array.from(nodes, (node) => stored[node] as number);
            },
          });
    return (x, next, t) => {
      const product = linear(x, t.value(weight)); // [.., count]
      const own = bias === null ? product : tf.add(product, t.value(bias));
      return replaceColumns(next(x), own, t.value(columns)); // [.., out]
    };
  });
  return {};
}
