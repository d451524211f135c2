import type { Method } from '@tunesmith/core';
import { adalora, lora } from '@tunesmith/lora';
import { bitfit, freeze, full, llrd } from '@tunesmith/selective';

/** The methods of `npm run bench:methods`, each as a user would set it for a small decoder. */
export const benchMethods = {
  full: () => [full()],
  'lora-qv': () => [lora({ rank: 8, targetModules: ['q_proj', 'v_proj'] })],
  'lora-all': () => [lora({ rank: 8, targetModules: 'all-linear' })],
  'dora-qv': () => [lora({ rank: 8, targetModules: ['q_proj', 'v_proj'], useDora: true })],
  'pissa-qv': () => [lora({ rank: 8, targetModules: ['q_proj', 'v_proj'], initLoraWeights: 'pissa' })],
  'lora-fa-qv': () => [lora({ rank: 8, targetModules: ['q_proj', 'v_proj'], useLoraFa: true })],
  'adalora-qv': () => [adalora({ targetModules: ['q_proj', 'v_proj'] })],
  llrd: () => [llrd()],
  freeze: () => [freeze({ layers: 2 })],
  bitfit: () => [bitfit()],
} satisfies Record<string, () => Method[]>;

export type BenchMethod = keyof typeof benchMethods;

/** What a method needs of a Llama's config.json that the others do without. */
export const benchConfigs: Partial<Record<BenchMethod, Readonly<Record<string, unknown>>>> = {
  bitfit: { attention_bias: true, mlp_bias: true },
};
