/** Bottleneck adapters on Llama, GPT-2 and BERT: all of the contract on the compiled engine, gradient and step on the eager one. */
import { describe } from 'vitest';
import { backends } from './backends.js';
import { methodCases } from './method-cases.js';
import { tinyBert, tinyGpt2, tinyLlama } from './tiny-families.js';

const names = [
  'houlsby',
  'houlsby-paper',
  'pfeiffer',
  'parallel',
  'scaled-parallel',
  'compacter',
  'compacter++',
] as const;

describe('onnx-cpu', () => {
  const where = { createBackend: backends['onnx-cpu'] };
  for (const name of names)
    for (const family of [tinyLlama, tinyGpt2, tinyBert]) methodCases[name].describe(family, where);
  // Elsewhere than AdapterHub's only where norms come before.
  methodCases['scaled-parallel-paper'].describe(tinyLlama, where);
});

describe('tfjs-cpu', () => {
  const where = { createBackend: backends['tfjs-cpu'], extent: 'gradient' } as const;
  for (const name of names) methodCases[name].describe(tinyBert, where);
});
