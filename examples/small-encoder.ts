import { join } from 'node:path';
import { bert } from '@tunesmith/models';
import { writeRandomModel } from './small-model.js';

const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const letters = Array.from({ length: 26 }, (_, index) => String.fromCharCode(97 + index));
const tokens = [...special, ...letters, ...letters.map((letter) => `##${letter}`)];

const config = {
  architectures: ['BertModel'],
  model_type: 'bert',
  vocab_size: tokens.length,
  hidden_size: 48,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  max_position_embeddings: 64,
  type_vocab_size: 2,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-12,
  initializer_range: 0.02,
  pad_token_id: 0,
};

/** Writes a two-layer BERT with random weights and a token a letter, as those without a head are on the Hub. */
export async function smallEncoder(folder: string): Promise<string> {
  const names = {
    unk_token: '[UNK]',
    pad_token: '[PAD]',
    cls_token: '[CLS]',
    sep_token: '[SEP]',
    mask_token: '[MASK]',
  };
  const files = { tokenizer: tokenizerJson(), names };
  return writeRandomModel(join(folder, 'encoder'), { family: bert, config, task: 'embedding', ...files, seed: 3 });
}

function tokenizerJson(): object {
  const flags = { special: true, single_word: false, lstrip: false, rstrip: false, normalized: false };
  const part = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  return {
    version: '1.0',
    added_tokens: special.map((content, id) => ({ id, content, ...flags })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [part('[CLS]', 0), text('A', 0), part('[SEP]', 0)],
      pair: [part('[CLS]', 0), text('A', 0), part('[SEP]', 0), text('B', 1), part('[SEP]', 1)],
      special_tokens: Object.fromEntries(
        ['[CLS]', '[SEP]'].map((id) => [id, { id, ids: [special.indexOf(id)], tokens: [id] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    },
  };
}
