/** A method of every kind, by what it does to the checkpoint's weights. */
import { compacter, houlsby, scaledParallel } from '@tunesmith/adapter';
import type { Method } from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { adalora, lora } from '@tunesmith/lora';
import { prefixTuning, promptTuning, pTuning } from '@tunesmith/prefix';
import { diffPruning, far, fishMask, freeze, full, gradualUnfreezing } from '@tunesmith/selective';

/** What leaves the checkpoint's weights as they are: the reference is there at every step. */
export const beside: Record<string, () => Method> = {
  lora: () => lora({ rank: 2, dropout: 0.1 }),
  'a saved module': () => lora({ rank: 2, modulesToSave: ['lm_head'] }),
  dora: () => lora({ rank: 2, useDora: true, targetModules: 'all-linear' }),
  pissa: () => lora({ rank: 2, initLoraWeights: 'pissa', trainableTokenIndices: [3] }),
  adalora: () => adalora({ initRank: 3, targetRank: 2 }),
  ia3: () => ia3(),
  houlsby: () => houlsby({ reductionFactor: 4 }),
  'scaled-parallel': () => scaledParallel({ reductionFactor: 4 }),
  compacter: () => compacter({ reductionFactor: 4 }),
  prefix: () => prefixTuning({ virtualTokens: 3 }),
  prompt: () => promptTuning({ virtualTokens: 3 }),
  'p-tuning': () => pTuning({ virtualTokens: 3, encoderSize: 8 }),
  'diff-pruning': () => diffPruning({ targetSparsity: 0.1 }),
};

/** What trains them in place: the reference is what was computed before. */
export const inPlace: Record<string, () => Method> = {
  full: () => full(),
  freeze: () => freeze({ layers: 1 }),
  'gradual-unfreezing': () => gradualUnfreezing({ every: 'even' }),
  'fish-mask': () => fishMask({ ratio: 0.1, samples: 2 }),
  far: () => far({ priming: 0.5, keep: 0.25 }),
};
