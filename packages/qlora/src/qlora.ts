import { apiVersion, defineMethod } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { qloraConfigSchema } from './config.js';

const { trainingOptions = [], capabilities, combine, create } = lora.definition;

/**
 * QLoRA (Dettmers et al. 2023, eq. 5): y = x · dequantised(W)ᵀ + LoRA's update, over a base that stays in NF4 through the
 * forward and the backward pass. What trains, and its files, are LoRA's; what differs are the defaults, and the base that a
 * recipe gets.
 */
export const qlora = defineMethod({
  name: 'qlora',
  apiVersion,
  summary: 'LoRA on all linear layers over a base in 4 bits',
  config: qloraConfigSchema,
  trainingOptions,
  capabilities,
  // qlora.py's --learning_rate, --quant_type and --double_quant.
  defaults: { learningRate: 2e-4, quantization: { type: 'nf4', blockSize: 64, doubleQuantization: true } },
  ...(combine && { combine }),
  create,
});
