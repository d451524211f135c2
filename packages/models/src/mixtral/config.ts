import { z } from 'zod';
import { count, only, readConfig } from '../config/read-config.js';
import { type DecoderConfig, decoderConfig, decoderSchema } from '../decoder/decoder-config.js';

/**
 * Mixtral's keys, with transformers' defaults. What balances the load of experts, `router_aux_loss_coef`, is a part of the loss
 * where `output_router_logits` asks for it, and none of the forward pass.
 */
const schema = decoderSchema({
  num_key_value_heads: count.nullable().default(8),
  rms_norm_eps: z.number().positive().default(1e-5),
  rope_theta: z.number().positive().default(1_000_000),
  num_local_experts: count.default(8),
  num_experts_per_tok: count.default(2),
  sliding_window: count.nullish(),
  output_router_logits: only(false),
  router_jitter_noise: only(0),
}).refine((config) => config.num_experts_per_tok <= config.num_local_experts, {
  path: ['num_experts_per_tok'],
  message: 'no more than num_local_experts',
});

export function parseMixtralConfig(json: Record<string, unknown>): DecoderConfig {
  const config = readConfig(schema, json);
  return decoderConfig(config, {
    windows: Array<number | null>(config.num_hidden_layers).fill(config.sliding_window ?? null),
    experts: { count: config.num_local_experts, active: config.num_experts_per_tok },
  });
}
