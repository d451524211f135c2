import { type PassageOptions, type Row, TunesmithError } from '@tunesmith/core';
import type { Example } from '../format/example.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { encodeSpans } from './encode-spans.js';
import { type ExampleSpanOptions, exampleSpans } from './example-spans.js';
import { toRow } from './to-row.js';
import { tokenizePreference, tokenizePrompt, tokenizeRated } from './tokenize-preference.js';
import { tokenizeQuestion } from './tokenize-question.js';
import { tokenizeSourced } from './tokenize-sourced.js';
import { tokenizeCompared, tokenizeLabelled, tokenizeTagged, tokenizeWholeText } from './tokenize-texts.js';
import { lengthOf, truncateSpans } from './truncate-spans.js';

export interface TokenizeOptions extends ExampleSpanOptions {
  readonly tokenizer: Tokenizer;
  /** Most tokens in a row. */
  readonly maxLength: number;
  /** Loss weight of prompt tokens, 0..1; 0.1 unless given. An answer's tokens weigh 1. */
  readonly promptLossWeight?: number;
  /** What becomes of a `text` longer than a row: `split` into several rows (the default), or its end is cut off. */
  readonly longText?: 'split' | 'truncate';
  /** Texts are written as an encoder reads them and nothing in them is an answer: for learning tokens that are hidden. */
  readonly wholeTexts?: boolean;
  /** The token that every answer begins with, where an encoder reads what comes before it as a text of its own. */
  readonly answerStart?: number;
  /** How passages that are asked about become rows, where the objective asks about some. */
  readonly passages?: PassageOptions;
}

export interface TokenizedExample {
  /** One row; more only where a long text or passage was split. */
  readonly rows: readonly Row[];
  /** Tokens before anything was cut. */
  readonly length: number;
  readonly promptTokensDropped: number;
  readonly answerTokensDropped: number;
  /** No token of an answer is left: the example teaches nothing but its prompt. */
  readonly masked: boolean;
  /** Of two answers to one prompt: what became of each. */
  readonly pair?: TokenizedPair;
}

/** The texts with the chosen and the rejected answer. */
export interface TokenizedPair {
  /** Tokens before anything was cut. */
  readonly lengths: readonly [chosen: number, rejected: number];
  /** Tokens of the answers that were cut off. */
  readonly dropped: readonly [chosen: number, rejected: number];
  /** Nothing tells them apart as they are trained. */
  readonly identical: boolean;
}

export const defaultPromptLossWeight = 0.1;

/**
 * Turns an example into a training row. A labelled one has its labels and no weights, a tagged one weighs where its tags are, texts that are compared weigh nothing, and what is preferred or rated learns
 * nothing of its prompts; else an answer's tokens and its end token weigh 1, a prompt's `promptLossWeight`, and
 * the first token 0, because nothing comes before it. What has a weight is decided by where the text stands, never by
 * comparing ids with the padding id.
 */
export function tokenizeExample(example: Example, options: TokenizeOptions): TokenizedExample {
  const { tokenizer, maxLength, promptLossWeight = defaultPromptLossWeight, longText = 'split' } = options;
  checkOptions(maxLength, promptLossWeight);
  if (example.kind === 'labelled') return tokenizeLabelled(example, options);
  if (example.kind === 'tagged') return tokenizeTagged(example, options);
  if (example.kind === 'compared') return tokenizeCompared(example, options);
  if (example.kind === 'question') return tokenizeQuestion(example, options);
  if (example.kind === 'preference') return tokenizePreference(example, options);
  if (example.kind === 'rated') return tokenizeRated(example, options);
  if (example.kind === 'prompt') return tokenizePrompt(example, options);
  if (options.wholeTexts) return tokenizeWholeText(example, options);
  if (options.answerStart !== undefined) return tokenizeSourced(example, options.answerStart, options);
  const spans = encodeSpans(tokenizer, exampleSpans(example, options));
  const length = lengthOf(spans);

  if (example.kind === 'text' && longText === 'split' && length > maxLength) {
    const rows = windows(toRow(spans, promptLossWeight), maxLength);
    return { rows, length, promptTokensDropped: 0, answerTokensDropped: 0, masked: false };
  }
  const { spans: kept, ...dropped } = truncateSpans(spans, maxLength);
  const answered = kept.some(({ kind, ids }, index) => kind === 'answer' && ids.length > (index === 0 ? 1 : 0));
  return { rows: [toRow(kept, promptLossWeight)], length, ...dropped, masked: !answered };
}

/** Cuts a row into rows of at most `maxLength` that overlap by one token, so that every token is predicted exactly once. */
function windows({ tokens, weights }: Row, maxLength: number): Row[] {
  const rows: Row[] = [];
  for (let start = 0; start + 1 < tokens.length; start += maxLength - 1) {
    const window = { tokens: tokens.slice(start, start + maxLength), weights: weights.slice(start, start + maxLength) };
    window.weights[0] = 0;
    rows.push(window);
  }
  return rows;
}

function checkOptions(maxLength: number, promptLossWeight: number): void {
  const wrong = (where: string, expected: string, got: number) =>
    new TunesmithError('CONFIG_INVALID', 'out of bounds', { where, expected, got: String(got) });
  if (!Number.isInteger(maxLength) || maxLength < 2) throw wrong('maxLength', 'an integer of at least 2', maxLength);
  if (!(promptLossWeight >= 0 && promptLossWeight <= 1)) {
    throw wrong('promptLossWeight', 'a number in 0..1', promptLossWeight);
  }
}
