import { type Row, TunesmithError } from '@tunesmith/core';
import { rowLabel } from '../format/example.js';
import { encodeTexts } from './encode-texts.js';
import { exampleSpans, type SpokenExample } from './example-spans.js';
import type { TokenizedExample, TokenizeOptions } from './tokenize-example.js';

/**
 * The row of an answer to a source that an encoder reads: the last answer, and all that comes before it as one text, with what
 * the tokenizer puts around texts. Each is cut at its end to `maxLength`; an answer that is cut has no end token, so that the
 * model does not learn to stop in mid-sentence.
 */
export function tokenizeSourced(
  example: SpokenExample,
  answerStart: number,
  { tokenizer, maxLength, ...options }: TokenizeOptions,
): TokenizedExample {
  if (example.kind === 'text') {
    throw new TunesmithError('DATA_INVALID', 'an encoder-decoder learns answers to what its encoder reads', {
      ...(example.source && { where: rowLabel(example.source) }),
      expected: 'prompts and answers',
      got: 'the format text',
      hint: 'Map the columns: columns: { prompt: …, completion: … }, with format: completion.',
    });
  }
  const spans = exampleSpans(example, options);
  const last = spans.findLastIndex(({ kind }) => kind === 'answer');
  const asked = spans.slice(0, last).map(({ text }) => text);
  const source = encodeTexts(tokenizer, [asked.join('')], maxLength);
  const ids = tokenizer.encode(spans[last]?.text ?? '', { addSpecialTokens: false });
  const ends = tokenizer.eosId === null || ids.at(-1) === tokenizer.eosId ? [] : [tokenizer.eosId];
  const whole = [answerStart, ...ids, ...ends];
  const tokens = Int32Array.from(whole.slice(0, maxLength));
  const weights = new Float32Array(tokens.length).fill(1);
  weights[0] = 0;
  const row: Row = { tokens, weights, source: source.tokens };
  return {
    rows: [row],
    length: Math.max(source.length, whole.length),
    promptTokensDropped: source.dropped,
    answerTokensDropped: whole.length - tokens.length,
    masked: ids.length === 0,
  };
}
