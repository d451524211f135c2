import {
  apiVersion,
  defineMethod,
  type FoldTrace,
  type Handle,
  type Patcher,
  type StageHost,
  TunesmithError,
  tf,
  zeros,
} from '@tunesmith/core';
import { byPath, selectTop } from '../sparse/select-top.js';
import {
  checkPositions,
  enterSparse,
  evenShare,
  readBeside,
  type SparseEntry,
  trainSparse,
} from '../sparse/sparse-difference.js';
import { insideModules, sizeOf } from '../weights/chosen-modules.js';
import { type FishMaskConfig, fishMaskConfigSchema } from './config.js';

const name = 'fish-mask';

/**
 * FishMask (Sung, Nair and Raffel 2021): the weights with the largest Fisher information train, and no others.
 * F̂ = 1/N · Σᵢ E_y (∂ log p(y | xᵢ) / ∂θ)², summed over N rows of one pass and left undivided, since only the order counts;
 * y are the data's labels, or all of the model's, each by its probability. One threshold serves the whole model. A head
 * that is new trains whole beside them and is counted among them.
 */
export const fishMask = defineMethod({
  name,
  apiVersion,
  summary: 'Train the weights with the largest Fisher information, a small share of all',
  config: fishMaskConfigSchema,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: false },
  // The paper's code, for every task of GLUE (FISH, text-classification/scripts/lib.sh).
  defaults: { learningRate: 5e-5 },
  create: (config) => ({
    stages: (_, weights) => [
      { name: 'fisher', run: 'gradients', length: config.samples, labels: config.labels },
      { name: 'train', run: 'train', enter: (host) => enterTraining(host, config, weights) },
    ],

    patchModel(patcher) {
      const { stage, weights } = patcher;
      if (stage?.name === 'fisher') return { fold: foldScores(patcher, config) };
      // Outside a run, as for a plan of one, as many as will train, but not yet the ones.
      const chosen = weights.filter(chooser(config, weights));
      trainSparse(patcher, stage?.memory ?? evenShare(chosen, config.ratio * sizeOf(chosen)));
      return {};
    },

    importAdapter: checkPositions,
  }),
});

/** Sums up every gradient's square, or its magnitude, beside the weight. */
function foldScores(patcher: Patcher, config: FishMaskConfig) {
  const candidates = patcher.train(chooser(config, patcher.weights));
  const scores = candidates.map(
    (weight) => [weight, patcher.buffer(`${weight.path}.score`, { shape: weight.shape, init: zeros })] as const,
  );
  const measure = config.score === 'square' ? tf.square : tf.abs;
  return (u: FoldTrace) =>
    new Map(
      scores.map(([weight, score]) => [score, tf.add(u.value(score), tf.mul(u.weight, measure(u.gradient(weight))))]),
    );
}

/**
 * The largest scores' positions: as many as the ratio says of all weights that were chosen from, less the head's. Of equal
 * scores those with the lowest path come first, and of one weight those with the lowest position.
 */
async function enterTraining(
  host: StageHost,
  config: FishMaskConfig,
  weights: readonly Handle[],
): Promise<SparseEntry> {
  const scores = await readBeside(host, name, 'score');
  const chosen = weights.filter(chooser(config, weights));
  const total = sizeOf(chosen);
  const head = sizeOf(chosen.filter(({ path }) => !scores.has(path)));
  const count = Math.floor(total * config.ratio) - head;
  if (count <= 0) {
    throw new TunesmithError('CONFIG_INVALID', 'the share leaves nothing to train', {
      where: `${name}.ratio`,
      expected: `more than ${(head + 1) / total}${head > 0 ? `: the new head alone has ${head} weights` : ''}`,
      got: `${config.ratio} of ${total} weights`,
    });
  }
  const positions = selectTop(byPath(scores), count);
  if (positions.size > 0) return enterSparse(positions);
  throw new TunesmithError('DATA_INVALID', 'every gradient of the pass is zero', { where: name });
}

function chooser({ modules }: FishMaskConfig, weights: readonly Handle[]): (handle: Handle) => boolean {
  return insideModules(modules, weights, `${name}.modules`);
}
