import { TunesmithError } from '@tunesmith/core';
import { mergesOfScores } from './merges-of-scores.js';
import type { JsonObject, TokenizerFiles } from './tokenizer-files.js';

/** llama.cpp's `llama_token_type`, where it matters here. */
const tokenTypes = { unknown: 2, control: 3, userDefined: 4, byte: 6 } as const;

/** How texts are cut before pairs are merged, by `tokenizer.ggml.pre`: src/llama-vocab.cpp of llama.cpp. */
interface Cutting {
  readonly names: readonly string[];
  /** Expressions whose matches are set apart, one after the other. */
  readonly splits: readonly string[];
  readonly normalizer?: JsonObject;
  /** A word that is a token as a whole is not merged from its parts. */
  readonly ignoreMerges?: boolean;
  /** Whether bos goes before a text if the file does not say. */
  readonly bos?: boolean;
}

const english = "'s|'t|'re|'ve|'m|'ll|'d";
const gpt2Split = `${english}| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`;
const anyCase = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const lettersFirst = (digits: string): string =>
  `${anyCase}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const cuttings: readonly Cutting[] = [
  { names: ['gpt-2', 'default'], splits: [gpt2Split] },
  { names: ['smollm'], splits: ['\\p{N}', gpt2Split] },
  {
    names: ['llama-bpe', 'llama3', 'llama-v3'],
    splits: [lettersFirst('\\p{N}{1,3}')],
    ...{ ignoreMerges: true, bos: true },
  },
  { names: ['qwen2', 'deepseek-r1-qwen'], splits: [lettersFirst('\\p{N}')], normalizer: { type: 'NFC' } },
];

type Metadata = Readonly<Record<string, unknown>>;

/**
 * The tokenizer that a GGUF file's metadata hold, as the files of a Hugging Face folder would say it: byte-level BPE
 * (`gpt2`), or SentencePiece's BPE (`llama`).
 * @throws FILE_INVALID for metadata that are missing, or of a tokenizer that is not known here
 */
export function ggufTokenizer(metadata: Metadata, where: string): TokenizerFiles {
  const said = (key: string): unknown => metadata[`tokenizer.ggml.${key}`];
  const tokens = listOf<string>(metadata, 'tokens', where);
  const types = (said('token_type') ?? []) as readonly number[];
  const model = said('model');
  const made = model === 'gpt2' ? byteLevel(metadata, where, tokens) : sentencePiece(metadata, where, tokens);
  const named = (key: string): string | undefined => tokens[Number(said(`${key}_token_id`) ?? Number.NaN)];
  const [bos, eos] = [named('bos'), named('eos')];
  const addBos = (said('add_bos_token') ?? made.bos) === true;
  const addEos = said('add_eos_token') === true;
  const ends = ['eos', 'eot'].map((key) => said(`${key}_token_id`)).filter((id) => id !== undefined);
  const template = metadata['tokenizer.chat_template'];
  return {
    where,
    tokenizerJson: {
      ...{ version: '1.0', truncation: null, padding: null },
      added_tokens: tokens.flatMap((content, id) => {
        const special = types[id] === tokenTypes.control || (model === 'llama' && types[id] === tokenTypes.unknown);
        if (!special && types[id] !== tokenTypes.userDefined) return [];
        return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
      }),
      ...made.json,
      post_processor: around(tokens, addBos ? bos : undefined, addEos ? eos : undefined),
    },
    tokenizerConfig: {
      ...{ tokenizer_class: 'PreTrainedTokenizerFast', clean_up_tokenization_spaces: false },
      ...{ add_bos_token: addBos, add_eos_token: addEos },
      ...{ bos_token: bos ?? null, eos_token: eos ?? null },
      ...{ unk_token: named('unknown') ?? null, pad_token: named('padding') ?? null },
      ...(typeof template === 'string' && { chat_template: template }),
    },
    generationConfig: { eos_token_id: [...new Set(ends.map(Number))] },
  };
}

interface Made {
  readonly json: JsonObject;
  readonly bos: boolean;
}

function byteLevel(metadata: Metadata, where: string, tokens: readonly string[]): Made {
  const pre = metadata['tokenizer.ggml.pre'] ?? 'default';
  const cutting = cuttings.find(({ names }) => names.some((name) => name === pre));
  if (cutting === undefined) {
    const known = cuttings.flatMap(({ names }) => names).join(', ');
    throw unknown('its way to cut texts is not known here', `${where}, tokenizer.ggml.pre`, known, String(pre));
  }
  const splits = cutting.splits.map((Regex) => ({
    ...{ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
  }));
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    bos: cutting.bos ?? false,
    json: {
      normalizer: cutting.normalizer ?? null,
      pre_tokenizer: { type: 'Sequence', pretokenizers: [...splits, bytes] },
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        ...pairMerging,
        vocab: vocabularyOf(tokens),
        merges: listOf<string>(metadata, 'merges', where).map((merge) => merge.split(' ')),
        ignore_merges: cutting.ignoreMerges ?? false,
      },
    },
  };
}

/** As convert_slow_tokenizer.py of transformers makes it of Llama's. */
function sentencePiece(metadata: Metadata, where: string, tokens: readonly string[]): Made {
  const model = metadata['tokenizer.ggml.model'];
  if (model !== 'llama') {
    throw unknown('its kind is not known here', `${where}, tokenizer.ggml.model`, 'gpt2, llama', String(model));
  }
  const scores = listOf<number>(metadata, 'scores', where);
  const unknownToken = tokens[Number(metadata['tokenizer.ggml.unknown_token_id'] ?? 0)] ?? null;
  const isPrefixed = metadata['tokenizer.ggml.add_space_prefix'] !== false;
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const prefix = { type: 'Prepend', prepend: '▁' };
  return {
    bos: true,
    json: {
      normalizer: { type: 'Sequence', normalizers: [...(isPrefixed ? [prefix] : []), spaces] },
      pre_tokenizer: null,
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
          ...[{ type: 'ByteFallback' }, { type: 'Fuse' }],
          ...(isPrefixed ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
        ],
      },
      model: {
        ...{ ...pairMerging, unk_token: unknownToken, fuse_unk: true, byte_fallback: true, ignore_merges: false },
        vocab: vocabularyOf(tokens),
        merges: mergesOfScores(tokens, scores),
      },
    },
  };
}

const pairMerging = {
  ...{ type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
  ...{ fuse_unk: false, byte_fallback: false },
};

function vocabularyOf(tokens: readonly string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

/** What goes around every text, as a template of huggingface/tokenizers; null for nothing. */
function around(tokens: readonly string[], first: string | undefined, last: string | undefined): JsonObject | null {
  if (first === undefined && last === undefined) return null;
  const special = (token: string | undefined, type_id: number) =>
    token === undefined ? [] : [{ SpecialToken: { id: token, type_id } }];
  const text = (id: string, type_id: number) => [
    ...special(first, type_id),
    { Sequence: { id, type_id } },
    ...special(last, type_id),
  ];
  const used = [first, last].filter((token) => token !== undefined);
  return {
    type: 'TemplateProcessing',
    single: text('A', 0),
    pair: [...text('A', 0), ...text('B', 1)],
    special_tokens: Object.fromEntries(
      used.map((token) => [token, { id: token, ids: [tokens.indexOf(token)], tokens: [token] }]),
    ),
  };
}

function listOf<T>(metadata: Metadata, key: string, where: string): readonly T[] {
  const value = metadata[`tokenizer.ggml.${key}`];
  if (Array.isArray(value)) return value as T[];
  throw unknown('its tokenizer lacks a part', `${where}, tokenizer.ggml.${key}`, 'a list', String(value ?? 'nothing'));
}

function unknown(what: string, where: string, expected: string, got: string): TunesmithError {
  const hint = 'Give the folder of the model as transformers has it.';
  return new TunesmithError('FILE_INVALID', what, { where, expected, got, hint });
}
