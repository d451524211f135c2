import { type Row, TunesmithError } from '@tunesmith/core';
import { type Example, type LabelledExample, rowLabel } from '../format/example.js';
import { type EncodedTexts, encodeLongText, encodeTexts } from './encode-texts.js';
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
