import { classification, seq2seq } from '@tunesmith/core';
import { bert, gpt2, llama, mistral, mixtral, qwen2, qwen3, switchTransformers, t5 } from '@tunesmith/models';
import type { TinyModelCase } from '@tunesmith/testing';

/** A family's tiny model, and the names by which a method's patterns find modules in it. */
export interface TinyFamily extends TinyModelCase {
  /** A linear module of the feed-forward layer, and the one after it. */
  readonly feedForward: readonly [first: string, last: string];
  /** A single attention module of the second block. */
  readonly attention: string;
  /** A module outside the blocks whose weight no other shares. */
  readonly unshared: string;
  /** The token embedding. */
  readonly embedding: string;
}

const decoder = {
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
};
const decoderNames = {
  feedForward: ['up_proj', 'down_proj'],
  attention: 'layers.1.self_attn.q_proj',
  unshared: 'lm_head',
  embedding: 'embed_tokens',
} as const;

/** Two layers with grouped queries. */
export const tinyLlama = {
  family: llama,
  config: { ...decoder, model_type: 'llama' },
  ...decoderNames,
} satisfies TinyFamily;

/** A window shorter than the rows. */
const tinyMistral = {
  family: mistral,
  config: { ...decoder, model_type: 'mistral', sliding_window: 5 },
  ...decoderNames,
} satisfies TinyFamily;

/** Four experts in place of each feed-forward layer, two to a token. */
export const tinyMixtral = {
  family: mixtral,
  config: { ...decoder, model_type: 'mixtral', num_local_experts: 4, num_experts_per_tok: 2 },
  ...decoderNames,
  feedForward: ['w3', 'w2'],
} satisfies TinyFamily;

/** Biases on queries, keys and values; a window in the second layer only. */
const tinyQwen2 = {
  family: qwen2,
  config: { ...decoder, model_type: 'qwen2', use_sliding_window: true, sliding_window: 5, max_window_layers: 1 },
  ...decoderNames,
} satisfies TinyFamily;

/** Norms on queries and keys, heads wider than hidden / heads, tied embeddings. */
const tinyQwen3 = {
  family: qwen3,
  config: { ...decoder, model_type: 'qwen3', head_dim: 6, tie_word_embeddings: true },
  ...decoderNames,
  unshared: 'model.norm',
} satisfies TinyFamily;

/** Biases everywhere, fused `[in, out]` projections, learned positions, tied embeddings. */
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
  feedForward: ['mlp.c_fc', 'mlp.c_proj'],
  attention: 'h.1.attn.c_attn',
  unshared: 'transformer.ln_f',
  embedding: 'wte',
} satisfies TinyFamily;

/** Post-norm blocks in which every token sees every other; pairs of texts in three classes. */
export const tinyBert = {
  family: bert,
  config: {
    model_type: 'bert',
    vocab_size: 48,
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 24,
    max_position_embeddings: 64,
    type_vocab_size: 2,
    layer_norm_eps: 1e-5,
    hidden_act: 'gelu',
  },
  objective: classification({ labels: 3 }),
  feedForward: ['intermediate.dense', 'output.dense'],
  attention: 'layer.1.attention.self.query',
  unshared: 'bert.pooler.dense',
  embedding: 'word_embeddings',
} satisfies TinyFamily;

/** An encoder and a decoder, heads wider than hidden / heads, a gated feed-forward layer, and answers to sources. */
export const tinyT5 = {
  family: t5,
  config: {
    model_type: 't5',
    vocab_size: 48,
    d_model: 16,
    d_kv: 6,
    d_ff: 24,
    num_layers: 1,
    num_decoder_layers: 1,
    num_heads: 4,
    relative_attention_num_buckets: 8,
    relative_attention_max_distance: 8,
    layer_norm_epsilon: 1e-5,
    feed_forward_proj: 'gated-gelu',
    tie_word_embeddings: false,
  },
  objective: seq2seq,
  feedForward: ['wi_1', 'wo'],
  attention: 'decoder.block.0.layer.1.EncDecAttention.q',
  unshared: 'decoder.final_layer_norm',
  embedding: 'shared',
} satisfies TinyFamily;

/** Experts in the second block of each stack, one to a token, and no more of a row's tokens than four to an expert. */
export const tinySwitch = {
  family: switchTransformers,
  config: {
    model_type: 'switch_transformers',
    vocab_size: 48,
    d_model: 16,
    d_kv: 6,
    d_ff: 24,
    num_layers: 2,
    num_decoder_layers: 2,
    num_sparse_encoder_layers: 1,
    num_sparse_decoder_layers: 1,
    num_heads: 4,
    num_experts: 3,
    expert_capacity: 4,
    relative_attention_num_buckets: 8,
    relative_attention_max_distance: 8,
    layer_norm_epsilon: 1e-5,
  },
  objective: seq2seq,
  feedForward: ['wi', 'wo'],
  attention: 'decoder.block.1.layer.1.EncDecAttention.q',
  unshared: 'decoder.final_layer_norm',
  embedding: 'shared',
} satisfies TinyFamily;

export const tinyFamilies = {
  llama: tinyLlama,
  mistral: tinyMistral,
  qwen2: tinyQwen2,
  qwen3: tinyQwen3,
  gpt2: tinyGpt2,
  bert: tinyBert,
  t5: tinyT5,
} satisfies Record<string, TinyFamily>;
