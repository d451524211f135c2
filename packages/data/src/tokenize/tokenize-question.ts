import { type PassageOptions, type Row, TunesmithError } from '@tunesmith/core';
import { type Example, type QuestionExample, rowLabel } from '../format/example.js';
import { tokenSpans } from '../tokenizer/token-spans.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { encodeParts } from './encode-texts.js';
import type { TokenizedExample } from './tokenize-example.js';

export interface TokenizeQuestionOptions {
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
  readonly passages?: PassageOptions;
}

const defaultPassages: PassageOptions = { overlap: 128, unanswerable: true };

/**
 * Rows of a question and its passage, as run_qa.py makes them: the question, then a part of the passage, as many as it takes. What is learnt
 * is where the first answer begins and ends, and of a part that does not hold it whole the first token for both.
 * @throws DATA_INVALID where the question leaves no room, has no answer and must have one, or one that the tokenizer drops
 */
export function tokenizeQuestion(
  { question, context, answers, source }: QuestionExample & Pick<Example, 'source'>,
  { tokenizer, maxLength, passages = defaultPassages }: TokenizeQuestionOptions,
): TokenizedExample {
  const where = source === undefined ? {} : { where: rowLabel(source) };
  const [answer] = answers;
  if (answer === undefined && !passages.unanswerable) {
    throw new TunesmithError('DATA_INVALID', 'the question has no answer in its passage', {
      ...where,
      expected: 'an answer',
      got: 'none',
      hint: 'Where questions may have none, as in SQuAD 2.0, say objective.nullThreshold: 0.',
    });
  }
  const [asked, read] = [question, context].map((text) => tokenizer.encode(text, { addSpecialTokens: false })) as [
    number[],
    number[],
  ];
  const spans = tokenSpans(tokenizer, context, read);
  const parts = encodeParts(tokenizer, [asked, read], { maxLength, overlap: passages.overlap });
  if (asked.length === 0 || parts.length === 0) {
    throw new TunesmithError('DATA_INVALID', 'the question leaves no room for its passage', {
      ...where,
      expected: `fewer than ${maxLength} tokens with what stands around it, and one at least`,
      got: `${asked.length} tokens`,
      hint: 'Raise data.maxLength.',
    });
  }
  const learnt = answer && withoutSpace(answer);
  const rows = parts.map(({ tokens, tokenTypes, at, from, to }, part): Row => {
    const own = spans.slice(2 * from, 2 * to);
    const [first = 0, end = 0] = [own[0], own.at(-1)];
    const weights = new Float32Array(tokens.length);
    weights[0] = 1;
    weights.fill(1, at, at + to - from);
    const places = learnt === undefined ? Float32Array.of(0, 0) : placesOf(own, learnt);
    if (places === null) {
      throw new TunesmithError('DATA_INVALID', 'no token spells the answer', {
        ...where,
        expected: 'an answer that the tokenizer keeps',
        got: JSON.stringify(answer?.text),
      });
    }
    return {
      ...{ tokens, weights, ...(tokenTypes && { tokenTypes }) },
      labels: places,
      passage: {
        text: context.slice(first, end),
        offset: first,
        spans: own.map((place) => place - first),
        part,
        answers: answers.map(({ text }) => text),
      },
    };
  });
  const [row] = rows as [Row];
  const length = row.tokens.length - ((parts[0]?.to ?? 0) - (parts[0]?.from ?? 0)) + read.length;
  return { rows, length, promptTokensDropped: 0, answerTokensDropped: 0, masked: false };
}

/** A stretch of a passage, in UTF-16 code units. */
interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Where an answer stands but for the white space around it, which no token's place has. */
function withoutSpace({ text, start }: { readonly text: string; readonly start: number }): Stretch {
  const from = start + text.length - text.trimStart().length;
  return { start: from, end: from + text.trim().length };
}

/**
 * Where a stretch of text begins and ends among a part's tokens, counted from 1; 0 and 0 where the part does not hold it whole, and null where it
 * does but none of its tokens is of it. Of a letter that is several tokens all are in it; run_qa.py begins with the last of them and ends with the
 * first, so that such a letter by itself is no answer there.
 */
function placesOf(spans: Int32Array, { start, end }: Stretch): Float32Array | null {
  const [begin = Number.POSITIVE_INFINITY, finish = 0] = [spans[0], spans.at(-1)];
  if (begin > start || finish < end) return Float32Array.of(0, 0);
  const tokens = Array.from({ length: spans.length / 2 }, (_, token) => token);
  const first = tokens.findIndex((token) => (spans[2 * token + 1] as number) > start);
  const last = tokens.findLastIndex((token) => (spans[2 * token] as number) < end);
  return first > last ? null : Float32Array.of(first + 1, last + 1);
}
