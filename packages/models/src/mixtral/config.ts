import { z } from 'zod';
import { count, only, readConfig } from '../config/read-config.js';
import { type DecoderConfig, decoderConfig, decoderSchema } from '../decoder/decoder-config.js';

/**
 * Mixtral's keys, with transformers' defaults. Its load-balance loss counts where `output_router_logits` asks for it, as there.
 * Beyond transformers', `router_z_loss_coef` weighs a z-loss, under the name that its Switch Transformers have for it, and
 * `expert_capacity_factor` bounds in training what an expert takes of a row.
 */
const schema = decoderSchema({
  num_key_value_heads: count.nullable().default(8),
  rms_norm_eps: z.number().positive().default(1e-5),
  rope_theta: z.number().positive().default(1_000_000),
  num_local_experts: count.default(8),
  num_experts_per_tok: count.default(2),
  sliding_window: count.nullish(),
  output_router_logits: z.boolean().default(false),
  router_aux_loss_coef: z.number().nonnegative().default(0.001),
  router_z_loss_coef: z.number().nonnegative().default(0),
  expert_capacity_factor: z.number().positive().nullish(),
  router_jitter_noise: only(0),
}).refine((config) => config.num_experts_per_tok <= config.num_local_experts, {
  path: ['num_experts_per_tok'],
  message: 'no more than num_local_experts',
});

export function parseMixtralConfig(json: Record<string, unknown>): DecoderConfig {
  const config = readConfig(schema, json);
  return decoderConfig(config, {
    windows: Array<number | null>(config.num_hidden_layers).fill(config.sliding_window ?? null),
    experts: {
      routing: {
        count: config.num_local_experts,
        active: config.num_experts_per_tok,
        normalized: true,
        capacityFactor: config.expert_capacity_factor ?? null,
        rowCapacity: null,
      },
      losses: {
        balance: config.output_router_logits ? config.router_aux_loss_coef : 0,
        z: config.router_z_loss_coef,
        over: 'batch',
      },
    },
  });
}
