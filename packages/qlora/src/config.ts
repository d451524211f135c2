import { loraConfigSchema } from '@tunesmith/lora';
import type { z } from 'zod';

const { rank, alpha, targetModules } = loraConfigSchema.shape;

/** LoRA's options, started as the QLoRA paper has them (artidoro/qlora, qlora.py). */
export const qloraConfigSchema = loraConfigSchema.extend({
  rank: rank.unwrap().default(64).describe("Rank of the update B·A. Default: qlora.py's `lora_r` = 64."),
  alpha: alpha
    .unwrap()
    .default(16)
    .describe("The update is scaled by alpha / rank. Default: qlora.py's `lora_alpha` = 16."),
  targetModules: targetModules
    .unwrap()
    .default('all-linear')
    .describe(
      'Which linear modules or embeddings: a list of names or path endings, one regular expression for whole paths, or `all-linear`. Default: all linear layers, as qlora.py and the paper (§4).',
    ),
});

export type QloraConfig = z.output<typeof qloraConfigSchema>;
