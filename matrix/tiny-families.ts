import { gpt2, llama } from '@tunesmith/models';

/** A two-layer Llama with grouped queries, as config.json describes it. */
export const tinyLlama = {
  family: llama,
  config: {
    model_type: 'llama',
    vocab_size: 48,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: 'silu',
    tie_word_embeddings: false,
  },
};

/** A two-layer GPT-2: biases everywhere, fused `[in, out]` projections, tied embeddings. */
export const tinyGpt2 = {
  family: gpt2,
  config: {
    model_type: 'gpt2',
    vocab_size: 48,
    n_embd: 16,
    n_layer: 2,
    n_head: 4,
    n_inner: 24,
    n_positions: 64,
    layer_norm_epsilon: 1e-5,
    activation_function: 'gelu_new',
    tie_word_embeddings: true,
  },
};
