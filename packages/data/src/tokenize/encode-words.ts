import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { type EncodedTexts, encodeIds } from './encode-texts.js';

/** A text that was words already. */
export interface EncodedWords extends EncodedTexts {
  /** Where the first token of each word stands; −1 for a word of which no token is left. */
  readonly starts: Int32Array;
}

/**
 * Writes words in the tokenizer's template, each with its own tokens, in at most `maxLength` of them; of what is too long the end is cut. A
 * word is written as it would be within a text: `is_split_into_words` of transformers, with `add_prefix_space` where that matters.
 */
export function encodeWords(tokenizer: Tokenizer, words: readonly string[], maxLength: number): EncodedWords {
  const before = setsWordsApart(tokenizer) ? '' : ' ';
  const each = words.map((word) => tokenizer.encode(before + word, { addSpecialTokens: false }));
  const encoded = encodeIds(tokenizer, [each.flat()], maxLength);
  const end = encoded.start + encoded.kept;
  let at = encoded.start;
  const starts = Int32Array.from(each, ({ length }) => {
    const start = at;
    at += length;
    return length > 0 && start < end ? start : -1;
  });
  return { ...encoded, starts };
}

/** Whether a tokenizer marks the beginning of a text as that of a word by itself, as SentencePiece's do. */
function setsWordsApart(tokenizer: Tokenizer): boolean {
  const [first] = tokenizer.encode('a', { addSpecialTokens: false });
  return first !== undefined && (tokenizer.idToToken(first) ?? '').startsWith('▁');
}
