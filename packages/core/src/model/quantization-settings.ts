import { z } from 'zod';
import { fourBit, fourBitBlockSizes } from '../storage/four-bit-codec.js';
import type { Quantization } from './quantization.js';

/** How a base is quantised, as recipes say it. */
export const quantizationSchema = z.strictObject({
  type: z
    .enum(['nf4', 'fp4'])
    .default('nf4')
    .describe('The 4-bit type (`bnb_4bit_quant_type`): NF4, as QLoRA (Dettmers et al. 2023, §3), or FP4.'),
  blockSize: z
    .literal(fourBitBlockSizes)
    .default(64)
    .describe('Values that share a magnitude; 64, as QLoRA and bitsandbytes.'),
  doubleQuantization: z
    .boolean()
    .default(true)
    .describe(
      'Keep the magnitudes in 8 bits too (`bnb_4bit_use_double_quant`): 4.127 bits a value, not 4.5. On, as QLoRA.',
    ),
  exclude: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'Modules to leave as they are, by names or path endings (`llm_int8_skip_modules` of transformers: none).',
    ),
});

export type QuantizationSettings = z.output<typeof quantizationSchema>;

export function quantizationOf({ exclude, ...codec }: QuantizationSettings): Quantization {
  return { codec: fourBit(codec), exclude };
}
