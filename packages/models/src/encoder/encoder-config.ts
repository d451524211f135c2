import { z } from 'zod';
import { count, only, refusedFields } from '../config/read-config.js';
import type { EncoderActivation, EncoderBlockConfig } from './encoder-block.js';

/** What BERT and those with its config have in common. */
export interface EncoderConfig extends EncoderBlockConfig {
  readonly vocabularySize: number;
  /** Width of the embeddings, projected to the hidden size where it is another. */
  readonly embeddingSize: number;
  readonly layers: number;
  /** Rows of the position embedding. */
  readonly positions: number;
  /** Kinds of texts that the token-type embedding tells apart; 0 where there is none. */
  readonly tokenTypes: number;
  readonly padToken: number;
  readonly tiedEmbeddings: boolean;
  /** Standard deviation of a head that starts fresh. */
  readonly initializerRange: number;
}

export const activationField = z.enum(['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu', 'silu']).default('gelu');

export const initializerRangeField = z.number().positive().default(0.02);

/**
 * BERT's keys, with transformers' defaults. `hidden_dropout_prob`, `attention_probs_dropout_prob` and
 * `classifier_dropout`, 0.1 in nearly every file, belong to pre-training and to fine-tuning as BERT did it, and are no
 * part of the function that was learnt: the base runs without.
 */
const encoderFields = {
  ...refusedFields,
  vocab_size: count,
  hidden_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  intermediate_size: count,
  hidden_act: activationField,
  max_position_embeddings: count,
  type_vocab_size: count.default(2),
  layer_norm_eps: z.number().positive().default(1e-12),
  pad_token_id: z.int().nonnegative().nullish(),
  tie_word_embeddings: z.boolean().default(true),
  initializer_range: initializerRangeField,
  position_embedding_type: only('absolute'),
  is_decoder: only(false),
};

type EncoderJson = z.output<z.ZodObject<typeof encoderFields>>;

/** A schema of the shared keys and the family's own. */
export function encoderSchema<Own extends z.ZodRawShape>(own: Own) {
  return z.object({ ...encoderFields, ...own }).superRefine((value, context) => {
    const { hidden_size: hidden, num_attention_heads: heads } = value as unknown as EncoderJson;
    if (hidden % heads === 0) return;
    context.addIssue({
      code: 'custom',
      path: ['hidden_size'],
      message: `a multiple of the ${heads} heads`,
      input: hidden,
    });
  });
}

/** The shared keys as an encoder's config. */
export function encoderConfig(json: EncoderJson): EncoderConfig {
  return {
    vocabularySize: json.vocab_size,
    hiddenSize: json.hidden_size,
    embeddingSize: json.hidden_size,
    innerSize: json.intermediate_size,
    layers: json.num_hidden_layers,
    heads: json.num_attention_heads,
    positions: json.max_position_embeddings,
    tokenTypes: json.type_vocab_size,
    padToken: json.pad_token_id ?? 0,
    epsilon: json.layer_norm_eps,
    activation: json.hidden_act as EncoderActivation,
    tiedEmbeddings: json.tie_word_embeddings,
    initializerRange: json.initializer_range,
  };
}
