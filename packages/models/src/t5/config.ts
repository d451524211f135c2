import { z } from 'zod';
import { count, only, readConfig, refusedFields } from '../config/read-config.js';
import type { RouterStack } from '../experts/report-routers.js';

/** T5's feed-forward layers: one projection in, or two of which one is a gate. */
export interface T5FeedForward {
  readonly activation: 'relu' | 'gelu' | 'gelu_new' | 'silu';
  readonly gated: boolean;
  /** The module's name within its layer. */
  readonly module: 'DenseReluDense' | 'mlp';
}

/** Mixtures of experts in the place of some feed-forward layers. */
export interface T5Experts extends Omit<RouterStack, 'name'> {
  /** For each block of a stack whether it has them. */
  readonly encoder: readonly boolean[];
  readonly decoder: readonly boolean[];
}

export interface T5Config {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly headDim: number;
  readonly innerSize: number;
  readonly encoderLayers: number;
  readonly decoderLayers: number;
  readonly heads: number;
  /** Rows of the table of relative positions. */
  readonly buckets: number;
  /** From this distance on all share a bucket. */
  readonly maxDistance: number;
  readonly epsilon: number;
  readonly feedForward: T5FeedForward;
  /** T5 1.0: the head is the embedding, and what it reads is scaled by hiddenSize^-½. A head of its own otherwise. */
  readonly tiedHead: boolean;
  /** The token that every answer begins with. */
  readonly answerStart: number;
  readonly experts?: T5Experts;
}

/** What `feed_forward_proj` says (transformers/models/t5/configuration_t5.py): `gated-gelu` is gated by `gelu_new`. */
const feedForwards = {
  relu: { activation: 'relu', gated: false },
  gelu: { activation: 'gelu', gated: false },
  gelu_new: { activation: 'gelu_new', gated: false },
  silu: { activation: 'silu', gated: false },
  'gated-relu': { activation: 'relu', gated: true },
  'gated-gelu': { activation: 'gelu_new', gated: true },
  'gated-gelu_new': { activation: 'gelu_new', gated: true },
  'gated-silu': { activation: 'silu', gated: true },
} as const satisfies Record<string, Omit<T5FeedForward, 'module'>>;
const feedForwardNames = Object.keys(feedForwards) as (keyof typeof feedForwards)[];

/**
 * T5's keys, with transformers' defaults. `dropout_rate`, 0.1 in every file, belongs to pre-training and is no part of
 * the function that was learnt: the base runs without. `n_positions` is how long the texts of pre-training were, and
 * bounds nothing.
 */
const schema = z
  .object({
    ...refusedFields,
    is_encoder_decoder: only(true),
    is_decoder: only(false),
    vocab_size: count,
    d_model: count,
    d_kv: count.default(64),
    d_ff: count.default(2048),
    num_layers: count.default(6),
    num_decoder_layers: count.nullish(),
    num_heads: count.default(8),
    relative_attention_num_buckets: count.multipleOf(4, 'a multiple of 4').default(32),
    relative_attention_max_distance: count.default(128),
    layer_norm_epsilon: z.number().positive().default(1e-6),
    feed_forward_proj: z.enum(feedForwardNames).default('relu'),
    dense_act_fn: z.string().nullish(),
    is_gated_act: z.boolean().nullish(),
    tie_word_embeddings: z.boolean().nullish(),
    scale_decoder_outputs: z.boolean().nullish(),
    decoder_start_token_id: z.int().nonnegative().nullish(),
    pad_token_id: z.int().nonnegative().nullish(),
  })
  .superRefine((json, context) => {
    const { activation, gated } = feedForwards[json.feed_forward_proj];
    const mustBe = (key: keyof typeof json, expected: unknown): void => {
      const input = json[key];
      if (input == null || input === expected) return;
      const message = `${JSON.stringify(expected)}, as "feed_forward_proj" says`;
      context.addIssue({ code: 'custom', path: [key], message, input });
    };
    mustBe('dense_act_fn', activation);
    mustBe('is_gated_act', gated);
    const { relative_attention_num_buckets: buckets, relative_attention_max_distance: input } = json;
    if (input > buckets / 2) return;
    const message = `more than half the ${buckets} buckets`;
    context.addIssue({ code: 'custom', path: ['relative_attention_max_distance'], message, input });
  });

export function parseT5Config(json: Record<string, unknown>): T5Config {
  const config = readConfig(schema, json);
  return {
    vocabularySize: config.vocab_size,
    hiddenSize: config.d_model,
    headDim: config.d_kv,
    innerSize: config.d_ff,
    encoderLayers: config.num_layers,
    decoderLayers: config.num_decoder_layers ?? config.num_layers,
    heads: config.num_heads,
    buckets: config.relative_attention_num_buckets,
    maxDistance: config.relative_attention_max_distance,
    epsilon: config.layer_norm_epsilon,
    feedForward: { ...feedForwards[config.feed_forward_proj], module: 'DenseReluDense' },
    // transformers 5 writes tie_word_embeddings: true whatever the head, and says so by this instead.
    tiedHead: config.scale_decoder_outputs ?? config.tie_word_embeddings ?? true,
    answerStart: config.decoder_start_token_id ?? config.pad_token_id ?? 0,
  };
}
