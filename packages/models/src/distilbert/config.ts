import { z } from 'zod';
import { count, only, readConfig, refusedFields } from '../config/read-config.js';
import { activationField, type EncoderConfig, initializerRangeField } from '../encoder/encoder-config.js';

/**
 * DistilBERT's keys, with transformers' defaults. Its norms' epsilon is a constant of the code; its dropouts are not
 * applied, as BERT's are not. Sinusoidal positions are stored like learned ones.
 */
const schema = z
  .object({
    ...refusedFields,
    vocab_size: count,
    dim: count,
    n_layers: count,
    n_heads: count,
    hidden_dim: count,
    activation: activationField,
    max_position_embeddings: count,
    pad_token_id: z.int().nonnegative().nullish(),
    tie_word_embeddings: z.boolean().default(true),
    initializer_range: initializerRangeField,
    is_decoder: only(false),
  })
  .superRefine(({ dim, n_heads: heads }, context) => {
    if (dim % heads === 0) return;
    context.addIssue({ code: 'custom', path: ['dim'], message: `a multiple of the ${heads} heads`, input: dim });
  });

export function parseDistilbertConfig(json: Record<string, unknown>): EncoderConfig {
  const config = readConfig(schema, json);
  return {
    vocabularySize: config.vocab_size,
    hiddenSize: config.dim,
    embeddingSize: config.dim,
    innerSize: config.hidden_dim,
    layers: config.n_layers,
    heads: config.n_heads,
    positions: config.max_position_embeddings,
    tokenTypes: 0,
    padToken: config.pad_token_id ?? 0,
    epsilon: 1e-12,
    activation: config.activation,
    tiedEmbeddings: config.tie_word_embeddings,
    initializerRange: config.initializer_range,
  };
}
