import {
  apiVersion,
  defineMethod,
  type Handle,
  type RunLength,
  type Stage,
  type StageHost,
  TunesmithError,
} from '@tunesmith/core';
import { byPath, selectTop } from '../sparse/select-top.js';
import { checkPositions, enterSparse, type SparseEntry, trainSparse } from '../sparse/sparse-difference.js';
import { insideModules, sizeOf } from '../weights/chosen-modules.js';
import { type DiffPruningConfig, diffPruningConfigSchema } from './config.js';
import { settledDifferences, trainGated } from './gated-difference.js';

const name = 'diff-pruning';
const fixedMask = 'fixed-mask';
/** Of each weight behind gates while a step runs (measured: 95 to 100 on Llamas of 15 and 42 million weights). */
const bytesBehindGates = 100;

/**
 * Diff pruning (Guo, Rush and Kim 2021): a difference to every weight trains behind gates, θ = θ₀ + z ∘ w, of which a penalty
 * keeps as few open as the loss allows (an expected L0 norm). Then the largest differences of the whole model, their gates
 * settled, are kept, and train on with the others at zero.
 */
export const diffPruning = defineMethod({
  name,
  apiVersion,
  summary: 'Learn which few weights to change: gated differences, pruned by size, then trained on',
  config: diffPruningConfigSchema,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: false },
  // The paper's code behind gates (DiffPruning, README.md).
  defaults: { learningRate: 1e-5 },
  create: (config) => ({
    stages: (run) => diffPruningStages(run, config),

    patchModel(patcher) {
      const { stage, weights } = patcher;
      if (stage?.name === fixedMask) {
        trainSparse(patcher, stage.memory);
        return { groups: [{ match: ({ owner }) => owner === name, scale: config.fixedMaskRate }] };
      }
      const gated = trainGated(patcher, config, insideModules(config.modules, weights, `${name}.modules`));
      checkSize(gated.weights, config);
      return gated.hooks;
    },

    importAdapter: checkPositions,
  }),
});

function diffPruningStages({ steps }: RunLength, config: DiffPruningConfig): Stage[] {
  const length = Math.max(1, Math.round(config.gated * steps));
  if (length >= steps) {
    throw new TunesmithError('CONFIG_INVALID', 'no step is left for the differences that are kept', {
      where: `${name}.gated`,
      expected: 'fewer steps than the run has',
      got: `${length} of ${steps}`,
    });
  }
  return [
    { name: 'gates', run: 'train', length, preliminary: true },
    { name: fixedMask, run: 'train', enter: (host) => prune(host, config) },
  ];
}

/** Keeps the largest differences; of equal ones those with the lowest path come first, then the lowest position. */
async function prune(host: StageHost, config: DiffPruningConfig): Promise<SparseEntry> {
  const differences = await settledDifferences(host, name, config);
  const sizes = new Map([...differences].map(([path, values]) => [path, values.map(Math.abs)]));
  const total = [...differences.values()].reduce((sum, { length }) => sum + length, 0);
  const positions = selectTop(byPath(sizes), Math.floor(total * config.targetSparsity));
  if (positions.size === 0) {
    throw new TunesmithError(
      'DATA_INVALID',
      'no difference is left: every gate is closed, or no gradient came through',
      {
        where: name,
        hint: `A smaller ${name}.penalty or a larger ${name}.alphaInit leaves more gates open.`,
      },
    );
  }
  const start = new Map(
    [...positions].map(([path, at]) => {
      const values = differences.get(path) as Float32Array;
      return [path, Float32Array.from(at, (position) => values[position] as number)];
    }),
  );
  return enterSparse(positions, start);
}

/** @throws CONFIG_INVALID for more weights than gates are made for, or so few that the share of them is none */
function checkSize(weights: readonly Handle[], { maxWeights, targetSparsity }: DiffPruningConfig): void {
  const size = sizeOf(weights);
  if (size > maxWeights) {
    const gigabytes = (bytes: number): string => `${((bytes * size) / 1e9).toPrecision(2)} GB`;
    throw new TunesmithError('CONFIG_INVALID', 'too many weights to train behind gates', {
      where: `${name}.maxWeights`,
      expected: `at most ${maxWeights}`,
      got: `${size}, which would take about ${gigabytes(bytesBehindGates)}, and ${gigabytes(4)} of noise every step`,
      hint: `Name fewer by ${name}.modules, such as [self_attn], or raise the limit where there is memory for it; fish-mask chooses weights at a fraction of that.`,
    });
  }
  if (Math.floor(size * targetSparsity) > 0) return;
  throw new TunesmithError('CONFIG_INVALID', 'the share leaves nothing to train', {
    where: `${name}.targetSparsity`,
    expected: `at least ${1 / size}`,
    got: `${targetSparsity} of ${size} weights`,
  });
}
