import type { Row } from '@tunesmith/core';
import type { AnswerExample, PreferenceExample, PromptExample, RatedExample, RowSource } from '../format/example.js';
import { encodePrompt, encodeSpans, type TokenSpan } from './encode-spans.js';
import { exampleSpans } from './example-spans.js';
import { toRow } from './to-row.js';
import type { TokenizedExample, TokenizeOptions } from './tokenize-example.js';
import { dropRight, lengthOf, type Truncated, truncateSpans } from './truncate-spans.js';

type Sourced<Kind> = Kind & { readonly source?: RowSource };

/** The row of two answers to one prompt: the chosen text, and the rejected one in `rejected`; scores become its labels. */
export function tokenizePreference(
  { chosen, rejected, scores, margin, source }: Sourced<PreferenceExample>,
  options: TokenizeOptions,
): TokenizedExample {
  const sides = [chosen, rejected].map((answer) => answerSpans(answer, source, options)) as [TokenSpan[], TokenSpan[]];
  const [best, worst] = truncatePair(sides, options.maxLength);
  const [row, other] = [toRow(best.spans, 0), toRow(worst.spans, 0)];
  return {
    rows: [
      {
        ...row,
        rejected: other,
        ...(scores && { labels: Float32Array.from(scores) }),
        ...(margin !== undefined && { margin }),
      },
    ],
    length: Math.max(...sides.map(lengthOf)),
    promptTokensDropped: Math.max(best.promptTokensDropped, worst.promptTokensDropped),
    answerTokensDropped: best.answerTokensDropped + worst.answerTokensDropped,
    masked: !isAnswered(row) || !isAnswered(other),
    pair: {
      lengths: [lengthOf(sides[0]), lengthOf(sides[1])],
      dropped: [best.answerTokensDropped, worst.answerTokensDropped],
      identical: row.tokens.join() === other.tokens.join(),
    },
  };
}

/** The row of an answer that is good or bad: its label is 1 or 0. */
export function tokenizeRated(
  { answer, good, source }: Sourced<RatedExample>,
  options: TokenizeOptions,
): TokenizedExample {
  const whole = answerSpans(answer, source, options);
  const { spans, ...dropped } = truncateSpans(whole, options.maxLength);
  const row = { ...toRow(spans, 0), labels: Float32Array.of(good ? 1 : 0) };
  return { rows: [row], length: lengthOf(whole), ...dropped, masked: !isAnswered(row) };
}

/** The row of a prompt, as the model is given it before it answers; of one that is too long, the end. */
export function tokenizePrompt(
  { prompt, expected, tools, source }: Sourced<PromptExample>,
  { tokenizer, maxLength, ...options }: TokenizeOptions,
): TokenizedExample {
  // An answer that is left out again: what comes before it is what the model is asked with.
  const asked =
    typeof prompt === 'string'
      ? prompt
      : exampleSpans(
          {
            kind: 'chat',
            messages: [...prompt, { role: 'assistant', content: 'x' }],
            promptMessages: prompt.length,
            ...(tools && { tools }),
            ...(source && { source }),
          },
          options,
        )
          .slice(0, -1)
          .map(({ text }) => text)
          .join('');
  const ids = encodePrompt(tokenizer, asked);
  const tokens = Int32Array.from(ids.slice(-maxLength));
  return {
    rows: [
      {
        ...{ tokens, weights: new Float32Array(tokens.length) },
        ...(expected !== undefined && {
          expected: Int32Array.from(tokenizer.encode(expected, { addSpecialTokens: false })),
        }),
      },
    ],
    length: ids.length,
    promptTokensDropped: ids.length - tokens.length,
    answerTokensDropped: 0,
    masked: tokens.length === 0,
  };
}

function answerSpans(answer: AnswerExample, source: RowSource | undefined, options: TokenizeOptions): TokenSpan[] {
  // What an instruction's history answered is its prompt; what a conversation's did, `promptMessages` says.
  const own = { ...options, trainOnHistory: answer.kind === 'chat' };
  return encodeSpans(options.tokenizer, exampleSpans({ ...answer, ...(source && { source }) }, own));
}

function isAnswered({ weights }: Row): boolean {
  return weights.some((weight) => weight > 0);
}

/**
 * Both texts cut to `maxLength`, with one prompt: what the longer one gives up of it, the other does too, because answers
 * compare only where they answer the same. Where the prompts differ anyway, each is cut by itself.
 */
function truncatePair(sides: readonly [TokenSpan[], TokenSpan[]], maxLength: number): [Truncated, Truncated] {
  const alone = sides.map((spans) => truncateSpans(spans, maxLength)) as [Truncated, Truncated];
  const longer = lengthOf(sides[0]) >= lengthOf(sides[1]) ? 0 : 1;
  const [long, short] = [sides[longer], sides[1 - longer] as TokenSpan[]];
  const [prompt, otherPrompt] = [promptOf(long), promptOf(short)];
  if (alone[longer].promptTokensDropped === 0 || idsOf(prompt) !== idsOf(otherPrompt)) return alone;
  const kept = promptOf(alone[longer].spans);
  const answer = short.slice(otherPrompt.length);
  const excess = Math.max(0, lengthOf(kept) + lengthOf(answer) - maxLength);
  const other: Truncated = {
    spans: [...kept, ...dropRight(answer, excess)],
    promptTokensDropped: lengthOf(prompt) - lengthOf(kept),
    answerTokensDropped: Math.min(excess, lengthOf(answer)),
  };
  return longer === 0 ? [alone[0], other] : [other, alone[1]];
}

/** What comes before the first answer. */
function promptOf(spans: readonly TokenSpan[]): readonly TokenSpan[] {
  const first = spans.findIndex(({ kind }) => kind === 'answer');
  return first < 0 ? spans : spans.slice(0, first);
}

function idsOf(spans: readonly TokenSpan[]): string {
  return spans.flatMap(({ ids }) => ids).join();
}
