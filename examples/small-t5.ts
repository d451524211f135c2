import { join } from 'node:path';
import { t5 } from '@tunesmith/models';
import { writeRandomModel } from './small-model.js';

const special = ['<pad>', '</s>'];
const tokens = [...special, ...Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index))];

const config = {
  architectures: ['T5ForConditionalGeneration'],
  model_type: 't5',
  vocab_size: tokens.length,
  d_model: 64,
  d_kv: 16,
  d_ff: 128,
  num_layers: 2,
  num_heads: 4,
  feed_forward_proj: 'gated-gelu',
  tie_word_embeddings: false,
  decoder_start_token_id: 0,
  pad_token_id: 0,
  eos_token_id: 1,
};

/** Writes a T5 of two and two layers with random weights and a token per ASCII character. */
export async function smallT5(folder: string): Promise<string> {
  const names = { pad_token: '<pad>', eos_token: '</s>' };
  const files = { tokenizer: tokenizerJson(), names };
  return writeRandomModel(join(folder, 't5'), { family: t5, config, ...files, seed: 5 });
}

function tokenizerJson(): object {
  const flags = { special: true, single_word: false, lstrip: false, rstrip: false, normalized: false };
  const end = { SpecialToken: { id: '</s>', type_id: 0 } };
  const text = (id: string) => ({ Sequence: { id, type_id: 0 } });
  return {
    version: '1.0',
    added_tokens: special.map((content, id) => ({ id, content, ...flags })),
    normalizer: null,
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [text('A'), end],
      pair: [text('A'), end, text('B'), end],
      special_tokens: { '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
    },
    decoder: { type: 'Fuse' },
    model: {
      type: 'BPE',
      unk_token: null,
      byte_fallback: false,
      fuse_unk: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [],
    },
  };
}
