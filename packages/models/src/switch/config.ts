import { z } from 'zod';
import { count, only, readConfig, refusedFields } from '../config/read-config.js';
import type { T5Config } from '../t5/config.js';

/**
 * Switch Transformers' keys, with transformers' defaults. `dropout_rate` and `router_jitter_noise` belong to pre-training and are no
 * part of the function that was learnt. `output_router_logits`, an argument of transformers' forward pass, adds both routers'
 * losses; `expert_capacity_factor` is not transformers'.
 */
const schema = z
  .object({
    ...refusedFields,
    is_encoder_decoder: only(true),
    is_decoder: only(false),
    vocab_size: count.default(32128),
    d_model: count.default(768),
    d_kv: count.default(64),
    d_ff: count.default(2048),
    num_layers: count.default(12),
    num_sparse_encoder_layers: z.int().nonnegative().default(3),
    num_decoder_layers: count.nullish(),
    num_sparse_decoder_layers: z.int().nonnegative().default(3),
    num_heads: count.default(12),
    num_experts: count.default(8),
    expert_capacity: count.default(64),
    router_bias: only(false),
    router_dtype: only('float32'),
    output_router_logits: z.boolean().default(false),
    router_z_loss_coef: z.number().nonnegative().default(0.001),
    router_aux_loss_coef: z.number().nonnegative().default(0.001),
    expert_capacity_factor: z.number().positive().nullish(),
    relative_attention_num_buckets: count.multipleOf(4, 'a multiple of 4').default(32),
    relative_attention_max_distance: count.default(128),
    layer_norm_epsilon: z.number().positive().default(1e-6),
    dense_act_fn: z.enum(['relu', 'gelu', 'gelu_new', 'silu']).default('relu'),
    is_gated_act: only(false),
    tie_word_embeddings: z.boolean().default(true),
    decoder_start_token_id: z.int().nonnegative().nullish(),
    pad_token_id: z.int().nonnegative().nullish(),
  })
  .refine((json) => json.relative_attention_max_distance > json.relative_attention_num_buckets / 2, {
    path: ['relative_attention_max_distance'],
    message: 'more than half of "relative_attention_num_buckets"',
  });

export function parseSwitchConfig(json: Record<string, unknown>): T5Config {
  const config = readConfig(schema, json);
  const { num_layers: encoderLayers, num_decoder_layers: decoders } = config;
  const decoderLayers = decoders ?? encoderLayers;
  const counts = config.output_router_logits;
  return {
    ...{ vocabularySize: config.vocab_size, hiddenSize: config.d_model, headDim: config.d_kv, innerSize: config.d_ff },
    ...{ encoderLayers, decoderLayers, heads: config.num_heads, epsilon: config.layer_norm_epsilon },
    buckets: config.relative_attention_num_buckets,
    maxDistance: config.relative_attention_max_distance,
    feedForward: { activation: config.dense_act_fn, gated: false, module: 'mlp' },
    tiedHead: config.tie_word_embeddings,
    answerStart: config.decoder_start_token_id ?? config.pad_token_id ?? 0,
    experts: {
      encoder: sparseBlocks(encoderLayers, config.num_sparse_encoder_layers),
      decoder: sparseBlocks(decoderLayers, config.num_sparse_decoder_layers),
      routing: {
        ...{ count: config.num_experts, active: 1, normalized: false },
        ...{ capacityFactor: config.expert_capacity_factor ?? null, rowCapacity: config.expert_capacity },
      },
      losses: {
        balance: counts ? config.router_aux_loss_coef : 0,
        z: counts ? config.router_z_loss_coef : 0,
        over: 'rows',
      },
    },
  };
}

/**
 * Every n-th block from the second on, n = ⌊blocks / sparse⌋, all where n is 1, and none where it is 0. Where none is to be
 * sparse, transformers' n is the number of blocks, and the second has experts all the same (modeling_switch_transformers.py,
 * SwitchTransformersStack).
 */
function sparseBlocks(layers: number, sparse: number): boolean[] {
  const step = sparse === 0 ? layers : Math.floor(layers / sparse);
  return Array.from({ length: layers }, (_, index) => step === 1 || index % step === 1);
}
