import { compacter, compacterPlusPlus, houlsby, parallel, pfeiffer, scaledParallel } from '@tunesmith/adapter';
import type { Method } from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { adalora, lora } from '@tunesmith/lora';
import { prefixTuning, promptTuning, pTuning, pTuningV2 } from '@tunesmith/prefix';
import { qlora } from '@tunesmith/qlora';
import { bitfit, diffPruning, far, fishMask, freeze, full, gradualUnfreezing, llrd } from '@tunesmith/selective';

/** The methods of `npm run bench:methods`, each as a user would set it for a small decoder. */
export const benchMethods = {
  full: () => [full()],
  'lora-qv': () => [lora({ rank: 8, targetModules: ['q_proj', 'v_proj'] })],
  'lora-all': () => [lora({ rank: 8, targetModules: 'all-linear' })],
  qlora: () => [qlora({ rank: 8 })],
  'dora-qv': () => [lora({ rank: 8, targetModules: ['q_proj', 'v_proj'], useDora: true })],
  'pissa-qv': () => [lora({ rank: 8, targetModules: ['q_proj', 'v_proj'], initLoraWeights: 'pissa' })],
  'lora-fa-qv': () => [lora({ rank: 8, targetModules: ['q_proj', 'v_proj'], useLoraFa: true })],
  'adalora-qv': () => [adalora({ targetModules: ['q_proj', 'v_proj'] })],
  ia3: () => [ia3()],
  houlsby: () => [houlsby()],
  pfeiffer: () => [pfeiffer()],
  parallel: () => [parallel()],
  'scaled-parallel': () => [scaledParallel()],
  mam: () => [scaledParallel(), prefixTuning()],
  // Bottlenecks that can be cut into four for every shape.
  compacter: () => [compacter({ reductionFactor: 8 })],
  'compacter++': () => [compacterPlusPlus({ reductionFactor: 8 })],
  'prefix-tuning': () => [prefixTuning()],
  'p-tuning-v2': () => [pTuningV2()],
  'prompt-tuning': () => [promptTuning()],
  'p-tuning': () => [pTuning()],
  llrd: () => [llrd()],
  freeze: () => [freeze({ layers: 2 })],
  // Two blocks, after each other; with all, the last stage's step is full fine-tuning's.
  'gradual-unfreezing': () => [gradualUnfreezing({ layers: 2, unit: 'step', every: 3 })],
  // Few rows to look at: what is measured is a step after.
  'fish-mask': () => [fishMask({ samples: 4 })],
  // All but the last step are behind gates, and so is what is measured.
  'diff-pruning': () => [diffPruning({ gated: 0.9 })],
  far: () => [far()],
  'far-alone': () => [far({ rest: 'freeze' })],
  bitfit: () => [bitfit()],
} satisfies Record<string, () => Method[]>;

export type BenchMethod = keyof typeof benchMethods;

/** What a method needs of a Llama's config.json that the others do without. */
export const benchConfigs: Partial<Record<BenchMethod, Readonly<Record<string, unknown>>>> = {
  bitfit: { attention_bias: true, mlp_bias: true },
};
