import { compacter, compacterPlusPlus, houlsby, parallel, pfeiffer, scaledParallel } from '@tunesmith/adapter';
import type { MethodFactory } from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { adalora, lora } from '@tunesmith/lora';
import { prefixTuning, promptTuning, pTuning, pTuningV2 } from '@tunesmith/prefix';
import {
  type BitfitOptions,
  bitfit,
  diffPruning,
  far,
  fishMask,
  freeze,
  full,
  gradualUnfreezing,
  llrd,
} from '@tunesmith/selective';
import { type DescribeMethodOptions, describeMethod } from '@tunesmith/testing';
import type { z } from 'zod';
import type { TinyFamily } from './tiny-families.js';

type Where = Pick<DescribeMethodOptions<z.ZodObject>, 'createBackend' | 'extent' | 'timeout'>;

/** A method with one of its configs, written for any of the families. */
interface MethodRow {
  /** Declares the contract of the method on one family and backend. */
  readonly describe: (family: TinyFamily, where: Where) => void;
}

function row<Schema extends z.ZodObject>(
  name: string,
  factory: MethodFactory<Schema>,
  methodConfig: (family: TinyFamily) => z.input<Schema>,
): MethodRow {
  return {
    describe(tiny, where) {
      const { family } = tiny;
      const testCase = { ...tiny, name: `${family.name}, ${name}`, methodConfig: methodConfig(tiny) };
      describeMethod(factory, { ...where, cases: [testCase] });
    },
  };
}

/** The rows of the matrix. */
export const methodCases = {
  lora: row("the family's targets, dropout", lora, () => ({ rank: 2, dropout: 0.1 })),
  'lora-all-linear': row(
    'all linear, rsLoRA, patterns, a module saved',
    lora,
    ({ feedForward, attention, unshared }) => ({
      rank: 2,
      targetModules: 'all-linear',
      excludeModules: [feedForward[0]],
      rankPattern: { [feedForward[1]]: 3 },
      alphaPattern: { [attention]: 2 },
      useRslora: true,
      modulesToSave: [unshared],
    }),
  ),
  'lora-biases': row('biases, dropout', lora, () => ({ rank: 2, dropout: 0.1, bias: 'lora_only' as const })),
  ia3: row("the family's targets", ia3, () => ({})),
  'ia3-all-linear': row('all linear, a feed-forward layer on its input, a module saved', ia3, (tiny) => ({
    targetModules: 'all-linear',
    feedforwardModules: [tiny.feedForward[1]],
    excludeModules: [tiny.feedForward[0]],
    modulesToSave: [tiny.unshared],
  })),
  'lora-dora': row('DoRA on all linear, dropout', lora, () => ({
    rank: 2,
    dropout: 0.1,
    targetModules: 'all-linear',
    useDora: true,
  })),
  'lora-pissa': row('PiSSA, dropout, some tokens', lora, () => ({
    rank: 2,
    dropout: 0.1,
    initLoraWeights: 'pissa' as const,
    trainableTokenIndices: [3, 7],
  })),
  'lora-olora-dora': row('OLoRA with DoRA, an embedding, LoRA+', lora, ({ attention, embedding, config }) => ({
    rank: 2,
    alpha: 2,
    initLoraWeights: 'olora' as const,
    useDora: true,
    loraPlusRatio: 4,
    // What a head shares cannot be merged.
    targetModules: config.tie_word_embeddings === true ? [attention] : [attention, embedding],
  })),
  adalora: row('ranks taken away, dropout', adalora, ({ attention, feedForward }) => ({
    initRank: 3,
    targetRank: 2,
    dropout: 0.1,
    targetModules: [attention, feedForward[1]],
  })),
  'lora-fa': row('LoRA-FA, Gaussian', lora, () => ({ rank: 2, useLoraFa: true, initLoraWeights: 'gaussian' as const })),
  houlsby: row('AdapterHub, dropout', houlsby, () => ({ reductionFactor: 4, dropout: 0.1 })),
  'houlsby-paper': row('the paper, norms trained', houlsby, () => ({
    convention: 'paper' as const,
    reductionFactor: 4,
  })),
  pfeiffer: row('AdapterHub, one block left out, a scale a feature', pfeiffer, () => ({
    reductionFactor: 4,
    leaveOut: [0],
    scaling: 'channel' as const,
  })),
  // Smooth: finite differences are wrong across ReLU's corner.
  parallel: row('AdapterHub, silu', parallel, () => ({ reductionFactor: 4, activation: 'silu' as const })),
  'scaled-parallel': row('AdapterHub, a learned scale', scaledParallel, () => ({ reductionFactor: 4 })),
  'scaled-parallel-paper': row('the paper, reading what the feed-forward layer reads', scaledParallel, () => ({
    convention: 'paper' as const,
    reductionFactor: 4,
  })),
  // Rules large enough to be seen: at their usual 1e-4 a gradient is as small as its error.
  compacter: row('rules of deviation 0.5', compacter, () => ({ reductionFactor: 4, ruleDeviation: 0.5 })),
  'compacter++': row('rules of deviation 0.5, rank 2', compacterPlusPlus, () => ({
    reductionFactor: 2,
    ruleDeviation: 0.5,
    hypercomplexRank: 2,
  })),
  'prefix-tuning': row('a prefix', prefixTuning, () => ({ virtualTokens: 3 })),
  'prefix-tuning-projection': row('a projected prefix', prefixTuning, () => ({
    virtualTokens: 3,
    projection: true,
    projectionSize: 6,
  })),
  'prompt-tuning': row('a prompt', promptTuning, () => ({ virtualTokens: 3 })),
  'p-tuning': row('a prompt from an MLP', pTuning, () => ({ virtualTokens: 3, encoderSize: 8 })),
  'p-tuning-lstm': row('a prompt from an LSTM', pTuning, () => ({
    virtualTokens: 3,
    encoder: 'lstm' as const,
    encoderSize: 4,
    encoderLayers: 2,
  })),
  'p-tuning-v2': row('a prefix, dropout', pTuningV2, () => ({ virtualTokens: 3 })),
  full: row('every weight', full, () => ({})),
  llrd: row('every weight, rates by layer', llrd, () => ({ decay: 0.5 })),
  'gradual-unfreezing': row('group by group, rates by layer', gradualUnfreezing, () => ({
    every: 'even' as const,
    layersAtOnce: 2,
    layerDecay: 0.5,
  })),
  bitfit: row('all biases', bitfit, () => ({})),
  'bitfit-groups': row(
    'biases by group',
    bitfit,
    (): BitfitOptions => ({ biases: ['query', 'intermediate', 'outputNorm'] }),
  ),
  // Gates that are neither open nor shut when settled, and seldom drawn shut: behind a group's that is, nothing moves. So
  // many weights are kept that some are of tokens in every row.
  'diff-pruning': row('gates of elements and groups', diffPruning, () => ({
    targetSparsity: 0.25,
    alphaInit: 0.4,
    penalty: 1e-4,
    lower: -0.01,
    upper: 1.01,
  })),
  'diff-pruning-modules': row(
    'gates of elements alone, modules',
    diffPruning,
    ({ feedForward, attention, embedding }) => ({
      targetSparsity: 0.2,
      structured: false,
      alphaInit: 0.4,
      modules: [feedForward[1], attention, embedding],
    }),
  ),
  far: row('a quarter of the nodes, the rest trained', far, () => ({ priming: 0.5, keep: 0.25 })),
  'far-alone': row('a third of the nodes and nothing else', far, () => ({
    priming: 0.5,
    keep: 0.34,
    rest: 'freeze' as const,
  })),
  'fish-mask': row("the data's labels", fishMask, () => ({ ratio: 0.1, samples: 4 })),
  'fish-mask-model': row("the model's labels, modules", fishMask, ({ feedForward, attention, embedding }) => ({
    ratio: 0.2,
    samples: 3,
    labels: 'model' as const,
    modules: [feedForward[1], attention, embedding],
  })),
  freeze: row('the last block and what follows', freeze, () => ({ layers: 1 })),
  'freeze-modules': row('modules, rates by layer', freeze, ({ feedForward, attention, unshared }) => ({
    layers: 'all' as const,
    modules: [feedForward[1], attention],
    extraModules: [unshared],
    frozenModules: '.*\\.0\\..*',
    layerDecay: 0.5,
  })),
};
