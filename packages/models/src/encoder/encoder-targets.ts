/** PEFT's default targets of BERT (peft/utils/constants.py). */
export const bertTargets = {
  lora: ['query', 'value'],
  adalora: ['query', 'value'],
  ia3: ['key', 'value', 'output.dense'],
  'ia3.feedforward': ['output.dense'],
} as const;
