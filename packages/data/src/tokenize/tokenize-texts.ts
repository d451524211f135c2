import { type Row, TunesmithError } from '@tunesmith/core';
import {
  type ComparedExample,
  type Example,
  type LabelledExample,
  rowLabel,
  type TaggedExample,
} from '../format/example.js';
import { type EncodedTexts, encodeLongText, encodeTexts } from './encode-texts.js';
import { encodeWords } from './encode-words.js';
import type { TokenizedExample, TokenizeOptions } from './tokenize-example.js';

type Options = Pick<TokenizeOptions, 'tokenizer' | 'maxLength' | 'longText'>;

/** The row of a labelled example. However much of its texts is cut, its labels stay. */
export function tokenizeLabelled(
  { texts, labels }: LabelledExample,
  { tokenizer, maxLength }: Options,
): TokenizedExample {
  const encoded = encodeTexts(tokenizer, texts, maxLength);
  return tokenized([encoded], encoded.length, { labels });
}

/** The row of tagged words: the first token of each weighs 1 and has its tag. Tags of words that are cut go with them. */
export function tokenizeTagged({ words, tags }: TaggedExample, { tokenizer, maxLength }: Options): TokenizedExample {
  const { tokens, tokenTypes, length, dropped, starts } = encodeWords(tokenizer, words, maxLength);
  const weights = new Float32Array(tokens.length);
  for (const start of starts) if (start >= 0) weights[start] = 1;
  const labels = tags.filter((_, word) => (starts[word] as number) >= 0);
  const row = { tokens, weights, labels, ...(tokenTypes && { tokenTypes }) };
  return { rows: [row], length, promptTokensDropped: dropped, answerTokensDropped: 0, masked: labels.length === 0 };
}

/** The row of texts that are compared: the first is the row's own, a score its label. Each is cut to `maxLength` by itself. */
export function tokenizeCompared(
  { texts, score, source }: ComparedExample & Pick<Example, 'source'>,
  { tokenizer, maxLength }: Options,
): TokenizedExample {
  const encoded = texts.map((text) => encodeTexts(tokenizer, [text], maxLength));
  if (encoded.some(({ tokens }) => tokens.length === 0)) {
    throw new TunesmithError('DATA_INVALID', 'nothing is left of a text as the tokenizer writes it', {
      ...(source && { where: rowLabel(source) }),
      got: JSON.stringify(texts.find((_, index) => encoded[index]?.tokens.length === 0)),
    });
  }
  const [{ tokens, weights }, ...compared] = encoded.map((each) => ({
    tokens: each.tokens,
    weights: new Float32Array(each.tokens.length),
  })) as [Pick<Row, 'tokens' | 'weights'>, ...Pick<Row, 'tokens' | 'weights'>[]];
  return {
    rows: [{ tokens, weights, compared, ...(score !== undefined && { labels: Float32Array.of(score) }) }],
    length: Math.max(...encoded.map(({ length }) => length)),
    promptTokensDropped: encoded.reduce((sum, { dropped }) => sum + dropped, 0),
    answerTokensDropped: 0,
    masked: false,
  };
}

/** Rows of a text that is learnt by its own tokens, whichever are hidden: split where it is long, or cut. */
export function tokenizeWholeText(example: Example, { tokenizer, maxLength, longText }: Options): TokenizedExample {
  if (example.kind !== 'text') {
    throw new TunesmithError('DATA_INVALID', 'hidden tokens are learnt from plain texts', {
      ...(example.source && { where: rowLabel(example.source) }),
      expected: 'the format text',
      got: `the format of a ${example.kind}`,
      hint: 'Map the column that holds the text: columns: { text: … }, with format: text.',
    });
  }
  const whole = encodeTexts(tokenizer, [example.text], longText === 'truncate' ? maxLength : Number.MAX_SAFE_INTEGER);
  const pieces = longText === 'truncate' ? [whole] : encodeLongText(tokenizer, example.text, maxLength);
  return tokenized(pieces, whole.length);
}

function tokenized(
  pieces: readonly EncodedTexts[],
  length: number,
  further: Pick<Row, 'labels'> = {},
): TokenizedExample {
  const rows = pieces.map(
    ({ tokens, tokenTypes }): Row => ({
      tokens,
      weights: new Float32Array(tokens.length),
      ...(tokenTypes && { tokenTypes }),
      ...further,
    }),
  );
  const dropped = pieces.reduce((sum, piece) => sum + piece.dropped, 0);
  return { rows, length, promptTokensDropped: dropped, answerTokensDropped: 0, masked: false };
}
