import { z } from 'zod';
import { count, only, readConfig, refusedFields } from '../config/read-config.js';

export type Gpt2Activation = 'gelu_new' | 'gelu_pytorch_tanh' | 'gelu' | 'relu' | 'silu';

export interface Gpt2Config {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly innerSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly maxPositions: number;
  readonly epsilon: number;
  readonly activation: Gpt2Activation;
  readonly tiedEmbeddings: boolean;
  /** Standard deviation of a head that starts fresh. */
  readonly initializerRange: number;
}

/**
 * GPT-2's keys, with transformers' defaults. `resid_pdrop`, `embd_pdrop` and `attn_pdrop`, 0.1 in nearly every file,
 * are dropout in pre-training and no part of the function that was learnt: the base runs without. `scale_attn_weights`
 * and what follows are variants that GPT-2's own checkpoints don't use; `reorder_and_upcast_attn` is about half
 * precision and changes nothing in float32.
 */
const schema = z
  .object({
    ...refusedFields,
    vocab_size: count,
    n_positions: count,
    n_embd: count,
    n_layer: count,
    n_head: count,
    n_inner: count.nullish(),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    activation_function: z.enum(['gelu_new', 'gelu_pytorch_tanh', 'gelu', 'relu', 'silu']).default('gelu_new'),
    tie_word_embeddings: z.boolean().default(true),
    initializer_range: z.number().positive().default(0.02),
    scale_attn_weights: only(true),
    scale_attn_by_inverse_layer_idx: only(false),
  })
  .superRefine(({ n_embd: hidden, n_head: heads }, context) => {
    if (hidden % heads === 0) return;
    context.addIssue({ code: 'custom', path: ['n_embd'], message: `a multiple of the ${heads} heads`, input: hidden });
  });

export function parseGpt2Config(json: Record<string, unknown>): Gpt2Config {
  const config = readConfig(schema, json);
  return {
    vocabularySize: config.vocab_size,
    hiddenSize: config.n_embd,
    innerSize: config.n_inner ?? 4 * config.n_embd,
    layers: config.n_layer,
    heads: config.n_head,
    maxPositions: config.n_positions,
    epsilon: config.layer_norm_epsilon,
    activation: config.activation_function,
    tiedEmbeddings: config.tie_word_embeddings,
    initializerRange: config.initializer_range,
  };
}
