import { TunesmithError } from '@tunesmith/core';
import { z } from 'zod';

const names = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
const tokens = z.array(z.int().min(0)).min(1);

/** LoRA's options. Names are PEFT's in camel case; `rank`, `alpha` and `dropout` are its `r`, `lora_alpha`, `lora_dropout`. */
export const loraConfigSchema = z.object({
  rank: z.int().min(1).default(8).describe("Rank of the update B·A. Default: PEFT's `r` = 8."),
  alpha: z
    .number()
    .positive()
    .default(8)
    .describe("The update is scaled by alpha / rank (Hu et al. 2021, §4.1). Default: PEFT's `lora_alpha` = 8."),
  dropout: z
    .number()
    .min(0)
    .max(0.95)
    .default(0)
    .describe("Dropout on the input of A, in training only; embeddings have none. Default: PEFT's `lora_dropout` = 0."),
  targetModules: names
    .optional()
    .describe(
      "Which linear modules or embeddings: a list of names or path endings, one regular expression for whole paths, or `all-linear`. Default: PEFT's choice for the family, such as q_proj and v_proj.",
    ),
  targetParameters: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      "Experts by the parameters in which transformers 5 stacks them, such as `mlp.experts.down_proj`: PEFT's `target_parameters`. Each expert's matrices have A and B of their own. Without `targetModules`, these alone.",
    ),
  excludeModules: names.optional().describe('Modules to leave out of the targets, in the same notation.'),
  layersToTransform: z.array(z.int().min(0)).min(1).optional().describe('Blocks to act on, by index. Default: all.'),
  rankPattern: z
    .record(z.string(), z.int().min(1))
    .default({})
    .describe('Ranks of single modules: a path ending, as a regular expression, to its rank. The first match wins.'),
  alphaPattern: z
    .record(z.string(), z.number().positive())
    .default({})
    .describe('Alphas of single modules, in the same notation.'),
  useRslora: z
    .boolean()
    .default(false)
    .describe('Scale by alpha / √rank instead (rank-stabilised LoRA, Kalajdzievski 2023).'),
  useDora: z
    .boolean()
    .default(false)
    .describe(
      "Train each output's magnitude apart from its direction (DoRA, Liu et al. 2024). Default: PEFT's `use_dora`.",
    ),
  initLoraWeights: z
    .enum(['kaiming', 'gaussian', 'pissa', 'olora', 'loftq'])
    .default('kaiming')
    .describe(
      "How A and B start: A uniform (PEFT's `true`) or Gaussian and B zero; or both from the weight's leading singular vectors (PiSSA, Meng et al. 2024) or its QR decomposition (OLoRA, Büyükakyüz 2024), or from those of what quantising the base took from it (LoftQ, Li et al. 2023, one iteration).",
    ),
  loraPlusRatio: z
    .number()
    .min(1)
    .optional()
    .describe(
      'How many times faster B learns than A (LoRA+, Hayou et al. 2024, who suggest 16). Default: 1, plain LoRA.',
    ),
  loraPlusEmbeddingRate: z
    .number()
    .positive()
    .default(1e-6)
    .describe("With LoRA+, the learning rate of an embedding's A and B. Default: PEFT's `loraplus_lr_embedding`."),
  useLoraFa: z
    .boolean()
    .default(false)
    .describe('Leave A as it was drawn and correct the gradient of B for it (LoRA-FA, Zhang et al. 2023).'),
  bias: z
    .enum(['none', 'all', 'lora_only'])
    .default('none')
    .describe("Which of the model's biases train: none, all, or those of the targets. Default: PEFT's `none`."),
  modulesToSave: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Modules to train whole, as copies saved with the adapter, such as `lm_head`.'),
  trainableTokenIndices: z
    .union([tokens, z.record(z.string(), tokens)])
    .optional()
    .describe(
      'Tokens whose embeddings train, by id, or by module name to ids; only their rows are saved. A tied head follows.',
    ),
});

export type LoraConfig = z.output<typeof loraConfigSchema>;

/** Refuses options that do not go together. @throws CONFIG_INVALID */
export function checkTogether({ useLoraFa, useDora }: LoraConfig): void {
  if (!(useLoraFa && useDora)) return;
  throw new TunesmithError('CONFIG_INVALID', "LoRA-FA's correction of B's gradient knows nothing of DoRA's magnitude", {
    where: 'lora',
    expected: 'one of useLoraFa and useDora',
  });
}
