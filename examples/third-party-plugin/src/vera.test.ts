import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { gpt2, llama } from '@tunesmith/models';
import { describeMethod } from '@tunesmith/testing';
import { vera } from './vera.js';

describeMethod(vera, {
  createBackend: () => createOnnxBackend(),
  cases: [
    {
      name: 'llama, queries and values of different sizes',
      family: llama,
      config: {
        ...{ model_type: 'llama', vocab_size: 48, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2 },
        ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 64, rms_norm_eps: 1e-5 },
      },
      methodConfig: { rank: 6 },
    },
    {
      name: 'gpt2, named targets',
      family: gpt2,
      config: { model_type: 'gpt2', vocab_size: 48, n_embd: 16, n_layer: 2, n_head: 4, n_inner: 24, n_positions: 64 },
      methodConfig: { rank: 4, targetModules: ['c_attn', 'mlp.c_proj'], dInitial: 0.5 },
    },
  ],
});
