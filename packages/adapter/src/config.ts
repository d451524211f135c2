import { z } from 'zod';
import { activationNames } from './activation.js';
import type { BottleneckOptions } from './bottleneck.js';
import { initialisationNames } from './initialisation.js';

/** Whose choices the options that are left out follow. */
export const conventions = ['adapterhub', 'paper'] as const;
export type Convention = (typeof conventions)[number];

/** What every bottleneck adapter can be told. `defaults` says what the two conventions choose, in words. */
export function bottleneckSchema(
  reductionFactor: number,
  defaults: { activation: string; initialisation: string; scaling: string; trainLayerNorms: string },
) {
  return z.object({
    convention: z
      .enum(conventions)
      .default('adapterhub')
      .describe(
        "Whose choices hold for what is left out: AdapterHub's library, or the method's paper and its authors' code.",
      ),
    reductionFactor: z
      .number()
      .positive()
      .default(reductionFactor)
      .describe(
        `Hidden size divided by the bottleneck's size, which is rounded down and at least 1. Default: AdapterHub's ${reductionFactor}.`,
      ),
    activation: z
      .enum(activationNames)
      .optional()
      .describe(`The function inside the bottleneck. Default: ${defaults.activation}.`),
    initialisation: z
      .enum(initialisationNames)
      .optional()
      .describe(
        `How the projections start: \`bert\` N(0, 0.02²); \`mam_adapter\` as LoRA, the second at 0; \`houlsby\` N(0, 0.01²) cut at two deviations. Default: ${defaults.initialisation}.`,
      ),
    scaling: z
      .union([z.number(), z.enum(['learned', 'channel'])])
      .optional()
      .describe(
        `What the bottleneck's output is multiplied by: a number, one number that trains, or one for each feature. Default: ${defaults.scaling}.`,
      ),
    dropout: z
      .number()
      .min(0)
      .max(0.95)
      .default(0)
      .describe("Dropout on the bottleneck's output, in training only. Default: AdapterHub's 0."),
    leaveOut: z
      .array(z.int().min(0))
      .default([])
      .describe("Blocks without adapters, by index. Default: AdapterHub's none."),
    trainLayerNorms: z
      .boolean()
      .optional()
      .describe(`Train the model's norms too, and save them with the adapter. Default: ${defaults.trainLayerNorms}.`),
  });
}

export type BottleneckConfig = z.output<ReturnType<typeof bottleneckSchema>>;

/** Compacter's further options. `initialisation` has no meaning for its factors. */
export function compacterSchema() {
  const { initialisation: _, ...rest } = bottleneckSchema(32, {
    activation: "AdapterHub's gelu, the authors' gelu_new",
    initialisation: '',
    scaling: '1',
    trainLayerNorms: "AdapterHub's false, the authors' true",
  }).shape;
  return z.object({
    ...rest,
    hypercomplexDivision: z
      .int()
      .min(1)
      .default(4)
      .describe(
        'n: how many Kronecker products make a weight; divides the hidden size and the bottleneck. Default: 4.',
      ),
    hypercomplexRank: z.int().min(1).default(1).describe('Rank of the factors. Default: 1.'),
    ruleDeviation: z
      .number()
      .positive()
      .default(1e-4)
      .describe(
        "Standard deviation of the shared rules at the start. Default: AdapterHub's and the authors' `phm_init_range` = 0.0001.",
      ),
  });
}

export type CompacterConfig = z.output<ReturnType<typeof compacterSchema>>;

/** What a convention chooses where the config says nothing. */
export type Choices = Pick<BottleneckOptions, 'activation' | 'initialisation' | 'scaling' | 'trainLayerNorms'>;

/** A config with its convention's choices filled in. */
export function withChoices(
  config: Omit<BottleneckConfig, 'initialisation'> & Partial<Pick<BottleneckConfig, 'initialisation'>>,
  choices: Readonly<Record<Convention, Choices>>,
): BottleneckOptions {
  const chosen = choices[config.convention];
  return {
    ...config,
    activation: config.activation ?? chosen.activation,
    initialisation: config.initialisation ?? chosen.initialisation,
    scaling: config.scaling ?? chosen.scaling,
    trainLayerNorms: config.trainLayerNorms ?? chosen.trainLayerNorms,
  };
}
