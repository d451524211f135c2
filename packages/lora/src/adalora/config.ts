import { z } from 'zod';

const names = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
const smoothing = z.number().gt(0).lt(1);

/** AdaLoRA's options. Names and defaults are PEFT's in camel case; `initRank` and `targetRank` are its `init_r` and `target_r`. */
export const adaloraConfigSchema = z.object({
  initRank: z.int().min(1).default(12).describe("Rank of every module at first. Default: PEFT's `init_r` = 12."),
  targetRank: z
    .int()
    .min(1)
    .default(8)
    .describe("Rank that a module keeps on average, below `initRank`. Default: PEFT's `target_r` = 8."),
  tinit: z.int().min(0).default(0).describe('Steps before the first rank is taken away. Default: PEFT, 0.'),
  tfinal: z.int().min(0).default(0).describe('Steps at the end in which the ranks stay as they are. Default: PEFT, 0.'),
  deltaT: z.int().min(1).default(1).describe('Steps between two allocations of the budget. Default: PEFT, 1.'),
  beta1: smoothing
    .default(0.85)
    .describe("How slowly sensitivity follows (Zhang et al. 2023, eq. 9). Default: the paper's."),
  beta2: smoothing.default(0.85).describe("How slowly its uncertainty follows (eq. 10). Default: the paper's."),
  orthRegWeight: z
    .number()
    .min(0)
    .default(0.5)
    .describe(
      "Weight of ‖A·Aᵀ − I‖ and ‖Bᵀ·B − I‖ beside the loss (eq. 4). Default: PEFT's 0.5; the paper's code has 0.1.",
    ),
  alpha: z
    .number()
    .positive()
    .default(8)
    .describe(
      "The update is scaled by alpha / initRank, however many ranks are left. Default: PEFT's `lora_alpha` = 8.",
    ),
  dropout: z
    .number()
    .min(0)
    .max(0.95)
    .default(0)
    .describe("Dropout on the input of A, in training only. Default: PEFT's `lora_dropout` = 0."),
  targetModules: names
    .optional()
    .describe(
      "Which linear modules: a list of names or path endings, one regular expression for whole paths, or `all-linear`. Default: PEFT's choice for the family.",
    ),
  excludeModules: names.optional().describe('Modules to leave out of the targets, in the same notation.'),
  layersToTransform: z.array(z.int().min(0)).min(1).optional().describe('Blocks to act on, by index. Default: all.'),
  modulesToSave: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Modules to train whole, as copies saved with the adapter, such as `lm_head`.'),
  rankPattern: z
    .record(z.string(), z.array(z.boolean()))
    .optional()
    .describe('Which ranks an adapter file holds, by the path of `lora_E`. Files say so; a new run has none.'),
});

export type AdaloraConfig = z.output<typeof adaloraConfigSchema>;
