import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '@tunesmith/data';
import { trainBytePairs } from './byte-pair-encoding.js';
import { commonWords } from './common-words.js';
import type { Document } from './corpus.js';
import { recipe } from './recipe.js';
import { conversation } from './synthetic.js';

const specialTokens = ['<|pad|>', '<|bos|>', '<|eos|>', '<|system|>', '<|user|>', '<|assistant|>', '<|end|>'];
const [pad, bos, eos, , , , end] = specialTokens as [string, string, string, string, string, string, string];

/** A role token, the trimmed message, an end token; bos first. */
const chatTemplate = `{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role not in ['system', 'user', 'assistant'] -%}
{{- raise_exception('The roles are system, user and assistant.') -}}
{%- endif -%}
{{- '<|' + message.role + '|>' + message.content | trim + '<|end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>' -}}
{%- endif -%}`;

/** Trains the tokenizer on the training documents and some conversations, and writes its files into a folder. */
export async function writeTokenizer(documents: readonly Document[], folder: string): Promise<void> {
  const texts = documents.map(({ text }) => text);
  const words = commonWords(texts, recipe.words);
  const spoken = Array.from({ length: 10_000 }, (_, index) => conversation(recipe.seed, index, words));
  const said = spoken.flatMap((messages) => messages.map(({ content }) => content));
  const { tokens, merges } = trainBytePairs([...texts, ...said], recipe.vocabularySize - specialTokens.length);
  await mkdir(folder, { recursive: true });
  const write = (name: string, value: JsonObject): Promise<void> =>
    writeFile(join(folder, name), `${JSON.stringify(value, null, 1)}\n`);
  await write('tokenizer.json', tokenizerJson([...specialTokens, ...tokens], merges));
  await write('tokenizer_config.json', {
    tokenizer_class: 'PreTrainedTokenizerFast',
    pad_token: pad,
    bos_token: bos,
    eos_token: eos,
    add_bos_token: false,
    model_max_length: recipe.rowLength,
    clean_up_tokenization_spaces: false,
    chat_template: chatTemplate,
  });
  await write('generation_config.json', {
    bos_token_id: specialTokens.indexOf(bos),
    eos_token_id: [specialTokens.indexOf(eos), specialTokens.indexOf(end)],
    pad_token_id: specialTokens.indexOf(pad),
  });
}

function tokenizerJson(tokens: readonly string[], merges: readonly (readonly [string, string])[]): JsonObject {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Digits', individual_digits: true },
        { ...byteLevel, use_regex: true },
      ],
    },
    // A text gets no bos by itself: most training windows begin in the middle of a document, as most prompts do.
    post_processor: null,
    decoder: { ...byteLevel, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}
