import { z } from 'zod';
import { count, only, refusedFields } from '../config/read-config.js';
import type { RouterStack } from '../experts/report-routers.js';
import { type Rotary, readRotary, rotaryFields } from './rotary-scaling.js';

/** Everything that the Llama-like decoders' forward passes differ in. */
export interface DecoderConfig {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Key and value heads, each shared by heads / keyHeads queries. */
  readonly keyHeads: number;
  readonly headDim: number;
  readonly maxPositions: number;
  readonly epsilon: number;
  readonly rotary: Rotary;
  readonly tiedEmbeddings: boolean;
  /** Standard deviation of a head that starts fresh. */
  readonly initializerRange: number;
  readonly bias: { readonly queryKeyValue: boolean; readonly output: boolean; readonly mlp: boolean };
  /** RMS norms over each head's query and key, before rotary. */
  readonly queryKeyNorm: boolean;
  /** For each layer how many last keys a query sees; null for all. */
  readonly windows: readonly (number | null)[];
  /** A mixture of experts in the place of each feed-forward layer; absent where there is one. */
  readonly experts?: Omit<RouterStack, 'name'>;
}

/** The keys that all Llama-like configs share, with transformers' defaults. */
const decoderFields = {
  ...refusedFields,
  ...rotaryFields,
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.multipleOf(2, 'an even number, for rotary pairs').nullish(),
  max_position_embeddings: count,
  rms_norm_eps: z.number().positive().default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  initializer_range: z.number().positive().default(0.02),
  hidden_act: only('silu'),
  attention_dropout: only(0),
};

type DecoderJson = z.output<z.ZodObject<typeof decoderFields>>;

/** A schema of the shared keys, the family's own, and what must hold between them. */
export function decoderSchema<Own extends z.ZodRawShape>(own: Own) {
  return z.object({ ...decoderFields, ...own }).superRefine((value, context) => {
    const json = value as unknown as DecoderJson;
    const { hidden_size: hidden, num_attention_heads: heads, num_key_value_heads: keyHeads } = json;
    const problem = (key: string, message: string, input: unknown): void => {
      context.addIssue({ code: 'custom', path: [key], message, input });
    };
    if (json.head_dim == null && hidden % (2 * heads) !== 0) {
      problem('hidden_size', `an even multiple of the ${heads} attention heads`, hidden);
    }
    if (keyHeads != null && heads % keyHeads !== 0) {
      problem('num_key_value_heads', `a divisor of the ${heads} attention heads`, keyHeads);
    }
  });
}

/** The shared keys as a decoder's config; what a family adds is the plain Llama's unless said otherwise. */
export function decoderConfig(json: DecoderJson, own: Partial<DecoderConfig> = {}): DecoderConfig {
  return {
    vocabularySize: json.vocab_size,
    hiddenSize: json.hidden_size,
    intermediateSize: json.intermediate_size,
    layers: json.num_hidden_layers,
    heads: json.num_attention_heads,
    keyHeads: json.num_key_value_heads ?? json.num_attention_heads,
    headDim: json.head_dim ?? json.hidden_size / json.num_attention_heads,
    maxPositions: json.max_position_embeddings,
    epsilon: json.rms_norm_eps,
    rotary: readRotary(json),
    tiedEmbeddings: json.tie_word_embeddings,
    initializerRange: json.initializer_range,
    bias: { queryKeyValue: false, output: false, mlp: false },
    queryKeyNorm: false,
    windows: Array<null>(json.num_hidden_layers).fill(null),
    ...own,
  };
}
