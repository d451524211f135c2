/** Every method on Llama, GPT-2 and BERT: all of the contract on the compiled engine, gradient and step on the eager one. */
import { describe } from 'vitest';
import { backends } from './backends.js';
import { methodCases } from './method-cases.js';
import { tinyBert, tinyGpt2, tinyLlama, tinyT5 } from './tiny-families.js';

describe.each([
  ['onnx-cpu', 'all'],
  ['tfjs-cpu', 'gradient'],
] as const)('%s', (backend, extent) => {
  const where = { createBackend: backends[backend], extent };
  methodCases.lora.describe(tinyLlama, where);
  for (const method of ['lora', 'ia3', 'prefix-tuning', 'prompt-tuning', 'houlsby', 'compacter', 'full'] as const) {
    methodCases[method].describe(tinyT5, where);
  }
  methodCases['lora-all-linear'].describe(tinyLlama, where);
  methodCases['lora-biases'].describe(tinyGpt2, where);
  methodCases['ia3-all-linear'].describe(tinyLlama, where);
  methodCases.ia3.describe(tinyGpt2, where);
  methodCases.ia3.describe(tinyBert, where);
  methodCases['lora-dora'].describe(tinyLlama, where);
  methodCases['lora-pissa'].describe(tinyGpt2, where);
  methodCases['lora-olora-dora'].describe(tinyBert, where);
  methodCases['lora-fa'].describe(tinyLlama, where);
  methodCases.adalora.describe(tinyLlama, where);
  methodCases.adalora.describe(tinyGpt2, where);
  methodCases.adalora.describe(tinyBert, where);
  methodCases['prefix-tuning'].describe(tinyLlama, where);
  methodCases['prefix-tuning-projection'].describe(tinyGpt2, where);
  methodCases['prompt-tuning'].describe(tinyLlama, where);
  methodCases['prompt-tuning'].describe(tinyGpt2, where);
  methodCases['p-tuning'].describe(tinyLlama, where);
  methodCases['p-tuning-lstm'].describe(tinyGpt2, where);
  methodCases['p-tuning-v2'].describe(tinyLlama, where);
  methodCases['p-tuning-v2'].describe(tinyGpt2, where);
  methodCases['prefix-tuning'].describe(tinyBert, where);
  methodCases['prompt-tuning'].describe(tinyBert, where);
  methodCases['p-tuning'].describe(tinyBert, where);
  methodCases.full.describe(tinyLlama, where);
  methodCases.full.describe(tinyGpt2, where);
  methodCases.lora.describe(tinyBert, where);
  methodCases.full.describe(tinyBert, where);
  for (const family of [tinyLlama, tinyGpt2, tinyBert]) {
    methodCases.llrd.describe(family, where);
    methodCases['gradual-unfreezing'].describe(family, where);
  }
  methodCases['diff-pruning'].describe(tinyLlama, where);
  methodCases['diff-pruning-modules'].describe(tinyGpt2, where);
  methodCases['diff-pruning'].describe(tinyBert, where);
  methodCases.far.describe(tinyLlama, where);
  methodCases['far-alone'].describe(tinyGpt2, where);
  methodCases.far.describe(tinyBert, where);
  methodCases['fish-mask'].describe(tinyLlama, where);
  methodCases['fish-mask-model'].describe(tinyGpt2, where);
  methodCases['fish-mask-model'].describe(tinyBert, where);
  methodCases.freeze.describe(tinyLlama, where);
  methodCases['freeze-modules'].describe(tinyGpt2, where);
  methodCases.freeze.describe(tinyBert, where);
  methodCases.bitfit.describe(tinyGpt2, where);
  methodCases['bitfit-groups'].describe(tinyGpt2, where);
  methodCases.bitfit.describe(tinyBert, where);
});
