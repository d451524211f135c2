/** Every method × family on the compiled engine; on the eager one the gradient and a step of each. */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { lora } from '@tunesmith/lora';
import { full } from '@tunesmith/selective';
import { describeMethod } from '@tunesmith/testing';
import { describe } from 'vitest';
import { tinyGpt2, tinyLlama } from './tiny-families.js';

const backends = [
  { name: 'onnx-cpu', extent: 'all', createBackend: () => createOnnxBackend({ device: 'cpu' }) },
  { name: 'tfjs-cpu', extent: 'gradient', createBackend: () => createTfjsBackend({ prefer: 'cpu' }) },
] as const;

describe.each(backends)('$name', ({ createBackend, extent }) => {
  describeMethod(lora, {
    createBackend,
    extent,
    cases: [
      { name: 'llama, q and v, dropout', ...tinyLlama, methodConfig: { rank: 2, dropout: 0.1 } },
      {
        name: 'llama, all linear, rsLoRA, patterns, head saved',
        ...tinyLlama,
        methodConfig: {
          rank: 2,
          targetModules: 'all-linear',
          excludeModules: ['up_proj'],
          rankPattern: { down_proj: 3 },
          alphaPattern: { 'layers.1.self_attn.q_proj': 2 },
          useRslora: true,
          modulesToSave: ['lm_head'],
        },
      },
      { name: 'gpt2, fused qkv, biases', ...tinyGpt2, methodConfig: { rank: 2, dropout: 0.1, bias: 'lora_only' } },
    ],
  });

  describeMethod(full, {
    createBackend,
    extent,
    cases: [
      { name: 'llama', ...tinyLlama },
      { name: 'gpt2', ...tinyGpt2 },
    ],
  });
});
