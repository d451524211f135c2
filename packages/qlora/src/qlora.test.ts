import { quantizationSchema } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { expect, it } from 'vitest';
import { qlora } from './qlora.js';

it("has the paper's defaults, and LoRA's for everything that it does not say", () => {
  const { rank, alpha, targetModules, ...rest } = qlora().config as Record<string, unknown>;
  expect({ rank, alpha, targetModules }).toEqual({ rank: 64, alpha: 16, targetModules: 'all-linear' });
  const { rank: _, alpha: __, ...loraRest } = lora().config as Record<string, unknown>;
  expect(rest).toEqual(loraRest);
  const { defaults = {} } = qlora.definition;
  expect(defaults.learningRate).toBe(2e-4);
  // As a recipe that says nothing of its base would have it.
  expect(quantizationSchema.parse(defaults.quantization)).toEqual(quantizationSchema.parse({}));
});

it('refuses what LoRA refuses', () => {
  expect(() => qlora({ rank: 0 })).toThrow('rank');
  expect(() => qlora({ useLoraFa: true, useDora: true })).toThrow('useDora');
  expect(() => qlora({ lora_r: 8 } as never)).toThrow('lora_r');
});

it("writes LoRA's files", () => {
  const model = { defaultTargets: {}, fanInFanOut: false, task: 'causal-lm', sites: [] } as const;
  expect(qlora({ rank: 4 }).peftConfig?.(model)).toMatchObject({
    peft_type: 'LORA',
    r: 4,
    lora_alpha: 16,
    target_modules: 'all-linear',
  });
});
