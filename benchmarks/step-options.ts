import { buildModel, fourBit, int8, linearBlockCodec, type Model, sft } from '@tunesmith/core';
import { llama } from '@tunesmith/models';
import { dpo, orpo } from '@tunesmith/rlhf-dpo';
import { type BenchMethod, benchConfigs, benchMethods } from './bench-methods.js';

/** One measured case: a method on random weights of a Llama's shape. */
export interface StepOptions {
  readonly shape: keyof typeof shapes;
  readonly method: BenchMethod;
  /** Rows of one micro-batch. */
  readonly rows: number;
  readonly length: number;
  readonly accumulation: number;
  readonly checkpointing: boolean;
  /** Share of each row's positions that have a loss weight. */
  readonly weightedShare: number;
  /** What is learnt: rows, or pairs of answers as long as `length` with their prompt. */
  readonly objective: keyof typeof objectives;
  /** Of pairs: tokens of each answer, and whether both lie behind one prompt. */
  readonly answer: number;
  readonly sharedPrompt: boolean;
  /** How the base's matrices are kept. */
  readonly base: keyof typeof bases;
  readonly device: 'cpu' | 'cuda' | 'webgpu';
  /** Threads of the CPU. */
  readonly threads: number;
  /** Steps measured after the first, which compiles. */
  readonly steps: number;
}

export const defaults: StepOptions = {
  shape: 'smollm2-135m',
  method: 'lora-qv',
  rows: 1,
  length: 512,
  accumulation: 1,
  checkpointing: false,
  weightedShare: 1,
  objective: 'sft',
  answer: 64,
  sharedPrompt: false,
  base: 'float32',
  device: 'cpu',
  threads: 2,
  steps: 5,
};

const llamaShape = (
  hidden_size: number,
  intermediate_size: number,
  num_hidden_layers: number,
  heads: [number, number],
  vocab_size: number,
) => ({
  model_type: 'llama',
  vocab_size,
  hidden_size,
  intermediate_size,
  num_hidden_layers,
  num_attention_heads: heads[0],
  num_key_value_heads: heads[1],
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  tie_word_embeddings: true,
});

/** config.json as far as the shape goes. The estimate's constants were fitted on the first four alone. */
export const shapes = {
  tiny: llamaShape(64, 128, 2, [4, 2], 1000),
  small: llamaShape(128, 384, 2, [8, 4], 4096),
  'medium-20m': llamaShape(384, 1024, 7, [6, 3], 16000),
  'smollm2-135m': llamaShape(576, 1536, 30, [9, 3], 49152),
  /** The bundled model's. */
  bundled: llamaShape(256, 640, 4, [8, 4], 3072),
  'stories-800k': llamaShape(128, 384, 2, [8, 4], 3072),
  'stories-15m': llamaShape(288, 768, 6, [6, 6], 32000),
  'stories-42m': llamaShape(512, 1376, 8, [8, 8], 32000),
  'tinyllama-1.1b': {
    ...llamaShape(2048, 5632, 22, [32, 4], 32000),
    tie_word_embeddings: false,
  },
  'wide-80m': llamaShape(768, 2048, 8, [12, 4], 32000),
} as const;

/** Forms of the base, by name. */
export const bases = {
  float32: null,
  nf4: fourBit({ type: 'nf4' }),
  'nf4-double': fourBit({ type: 'nf4', doubleQuantization: true }),
  'fp4-double': fourBit({ type: 'fp4', doubleQuantization: true }),
  q8_0: linearBlockCodec({ type: 'q8_0' }),
  q4_0: linearBlockCodec({ type: 'q4_0' }),
  int8: int8(),
  'int8-float-gradient': int8({ integerGradient: false }),
} as const;

/** Objectives, by name. */
export const objectives = {
  sft: () => sft,
  dpo: ({ sharedPrompt }: Pick<StepOptions, 'sharedPrompt'>) => dpo({ sharedPrompt }),
  orpo: ({ sharedPrompt }: Pick<StepOptions, 'sharedPrompt'>) => orpo({ sharedPrompt }),
} as const;

export function buildShape({ shape, method, base }: Pick<StepOptions, 'shape' | 'method' | 'base'>): Model {
  const config = llama.parseConfig({ ...shapes[shape], ...benchConfigs[method] });
  const codec = bases[base];
  return buildModel({
    ...{ family: llama, config, methods: benchMethods[method]() },
    ...(codec && { quantization: { codec } }),
  });
}
