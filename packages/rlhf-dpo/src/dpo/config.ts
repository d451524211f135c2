import { z } from 'zod';
import { sharedPromptOption } from '../pairs/shared-prompt-option.js';
import { referenceAdapterOption } from '../reference/reference-options.js';
import { type DpoLossName, dpoLosses } from './losses.js';

const names = Object.keys(dpoLosses) as [DpoLossName, ...DpoLossName[]];

export const dpoConfigSchema = z.object({
  loss: z
    .enum(names)
    .default('sigmoid')
    .describe("What is made of the log-ratios. Default: TRL's `loss_type`, sigmoid (Rafailov et al. 2023, eq. 7)."),
  beta: z
    .number()
    .positive()
    .default(0.1)
    .describe(
      'How dear it is to leave the reference: β of the losses; for `ipo` it is τ. Default: TRL’s DPOConfig, 0.1.',
    ),
  labelSmoothing: z
    .number()
    .min(0)
    .lt(0.5)
    .default(0)
    .describe(
      'How likely a preference is the wrong way round: ε of `sigmoid` (conservative DPO), `robust`, `exo_pair` and the `aot` losses. Default: TRL’s DPOConfig, 0.',
    ),
  reference: z
    .enum(['adapter-off', 'cached', 'none'])
    .default('adapter-off')
    .describe(
      'Where the reference’s log-probabilities come from: the same model without what is trained, at every step; one pass before training, kept on disk, which methods that train the model’s own weights need; or nowhere (`reference_free`). Default: TRL’s DPOTrainer with an adapter.',
    ),
  ...referenceAdapterOption,
  ...sharedPromptOption,
});

export type DpoConfig = z.output<typeof dpoConfigSchema>;
