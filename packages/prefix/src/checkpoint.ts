import { type EmbeddingSite, type PatchedModel, readPeftConfig, type TensorSource } from '@tunesmith/core';
import { prefixShape, prefixSites } from './attention-prefix.js';
import { tokenEmbedding } from './token-embedding.js';

/** The one tensor of every adapter here (peft/utils/save_and_load.py): what an encoder computes, not its parameters. */
export const promptName = (): string => 'prompt_embeddings';

/** A weight of the head beside it: what learns a prompt wraps the model once less than what changes its layers (peft/peft_model.py). */
export const promptHeadName = (path: string): string => `base_model.${path}`;

/** Facts about the base model, which the tensor's shape repeats. */
const baseFacts = ['token_dim', 'num_layers', 'num_attention_heads'];

/** How the tensor was made while it was trained: an adapter holds the result. */
const trainingOnly = [
  'encoder_hidden_size',
  'prefix_projection',
  'init_weights',
  'prompt_tuning_init',
  'prompt_tuning_init_text',
  'tokenizer_name_or_path',
  'tokenizer_kwargs',
  'encoder_reparameterization_type',
  'encoder_num_layers',
  'encoder_dropout',
];

/** The `num_virtual_tokens` of a PEFT adapter of this type as our options, or null if it is another's. */
export function readPromptConfig(peft: Record<string, unknown>, type: string): { virtualTokens?: number } | null {
  if (peft.peft_type !== type) return null;
  const left = Object.entries(peft).filter(([field]) => !baseFacts.includes(field) && !trainingOnly.includes(field));
  return readPeftConfig(Object.fromEntries(left), {
    options: { num_virtual_tokens: 'virtualTokens' },
    // Two: an encoder and a decoder, whose prefix is one and whose prompt nobody reads.
    neutral: { num_transformer_submodules: peft.task_type === 'SEQ_2_SEQ_LM' ? [1, 2] : [1] },
  });
}

/** What PEFT writes for every method here. */
function promptConfig(type: string, virtualTokens: number, shape: Record<string, number>): Record<string, unknown> {
  return {
    peft_type: type,
    task_type: 'CAUSAL_LM',
    inference_mode: true,
    num_virtual_tokens: virtualTokens,
    num_transformer_submodules: 1,
    modules_to_save: null,
    ...shape,
  };
}

/** PEFT's PrefixTuningConfig: the prefix lies flat in the file, projected or not. */
export function prefixToPeft({ sites, task }: PatchedModel, virtualTokens: number): Record<string, unknown> {
  const { layers, keyHeads, width } = prefixShape(prefixSites(sites), 'prefix');
  return {
    ...promptConfig('PREFIX_TUNING', virtualTokens, {
      token_dim: width,
      num_layers: layers,
      num_attention_heads: keyHeads,
      encoder_hidden_size: width,
    }),
    num_transformer_submodules: task === 'seq2seq-lm' ? 2 : 1,
    prefix_projection: false,
    init_weights: null,
  };
}

/** PEFT's PromptTuningConfig and PromptEncoderConfig, up to their own fields. */
export function promptToPeft(type: string, { sites }: PatchedModel, virtualTokens: number): Record<string, unknown> {
  const attention = prefixSites(sites);
  const embedding = tokenEmbedding(sites.filter((site): site is EmbeddingSite => site.kind === 'embedding'));
  return promptConfig(type, virtualTokens, {
    token_dim: embedding.features,
    num_layers: attention.length,
    num_attention_heads: attention[0]?.heads ?? 1,
  });
}

/** A prompt's tensor with the rows that an encoder-decoder reads: PEFT keeps as many behind them for the decoder, unused. */
export function promptOfEncoder(source: TensorSource, tokens: number): TensorSource {
  return {
    names: () => source.names(),
    get(name) {
      const tensor = source.get(name);
      const [rows = 0, features = 0] = tensor?.shape ?? [];
      if (tensor === undefined || rows !== 2 * tokens) return tensor;
      const read = async () => {
        const bytes = await tensor.read();
        return bytes.slice(0, bytes.length / 2);
      };
      return { ...tensor, shape: [tokens, features], read };
    },
  };
}
