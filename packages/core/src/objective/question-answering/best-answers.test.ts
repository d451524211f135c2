import { describe, expect, it } from 'vitest';
import type { Passage } from '../passage.js';
import { bestAnswers, type PredictedPart } from './best-answers.js';
import { measureAnswers, passagesOf } from './measure-answers.js';
import { questionAnswering } from './question-answering.js';
import { questionAnsweringConfigSchema } from './question-answering-config.js';

/** A part of words, with a logit of beginning and one of end for no answer and for each. */
function part(
  text: string,
  begins: readonly number[],
  ends: readonly number[],
  more: Partial<Passage> = {},
): PredictedPart {
  let at = 0;
  const spans = text.split(' ').flatMap((word) => {
    const start = text.indexOf(word, at);
    at = start + word.length;
    return [start, at];
  });
  return {
    passage: { text, offset: 0, spans: Int32Array.from(spans), part: 0, answers: [], ...more },
    // Behind the last token are the places of longer rows.
    logits: Float32Array.from([...begins.flatMap((begin, place) => [begin, ends[place] as number]), 99, 99]),
  };
}
const options = (given: object = {}) => questionAnsweringConfigSchema.parse(given);

describe('the best answer', () => {
  const words = part('in the old town', [0, 1, 4, 2, 0], [0, 0, 1, 2, 3]);

  it('is where beginning and end together score best, in their order', () => {
    const { answer, nBest } = bestAnswers([words], options());
    expect(answer).toMatchObject({ text: 'the old town', score: 7, part: 0, start: 3, end: 15 });
    expect(nBest[1]).toMatchObject({ text: 'the old', score: 6 });
    const sum = nBest.reduce((all, { score }) => all + Math.exp(score), 0);
    expect(answer.probability).toBeCloseTo(Math.exp(7) / sum, 6);
    const backwards = part('a b', [0, 1, 5], [0, 5, 0]);
    expect(bestAnswers([backwards], options()).answer).toMatchObject({ text: 'a', score: 6 });
  });

  it('is no longer than it may be, and of the likeliest beginnings and ends', () => {
    expect(bestAnswers([words], options({ maxAnswerLength: 1 })).answer.text).toBe('the');
    expect(bestAnswers([words], options({ nBest: 1 })).nBest).toHaveLength(1);
    const apart = part('a b', [0, 0, 5], [0, 5, 0]);
    expect(bestAnswers([apart], options({ nBest: 1 })).answer).toMatchObject({ text: '', start: 0, end: 0 });
  });

  it('is of whichever part says it loudest, and nothing where each part says so', () => {
    const [quiet, loud] = [part('a b', [3, 1, 0], [3, 1, 0]), part('c d', [1, 0, 2], [1, 0, 2])];
    expect(bestAnswers([quiet, loud], options()).answer).toMatchObject({ text: 'd', part: 1 });
    // No answer scores 6 in one part and 2 in the other: the least counts.
    expect(bestAnswers([quiet, loud], options({ nullThreshold: 0 })).answer.text).toBe('d');
    expect(bestAnswers([quiet], options({ nullThreshold: 0 })).answer.text).toBe('');
    expect(bestAnswers([quiet], options({ nullThreshold: 4.5 })).answer.text).toBe('a');
    const cut = bestAnswers([quiet, loud], options({ nullThreshold: 0, nBest: 1 }));
    expect(cut.nBest.map(({ text }) => text)).toEqual(['d', '']);
  });
});

it('measures questions, not the rows that their passages take', () => {
  const rows = [
    part('c d', [0, 0, 0], [0, 0, 0], { answers: ['f'] }),
    part('e f', [0, 0, 9], [0, 0, 9], { answers: ['f'], part: 1 }),
    part('g h', [0, 4, 0], [0, 4, 0], { answers: ['the h'] }),
  ];
  expect(passagesOf(rows).map(({ length }) => length)).toEqual([2, 1]);
  const all = rows.map(({ passage }) => ({ tokens: new Int32Array(), weights: new Float32Array(), passage }));
  const logits = rows.map((row) => row.logits);
  expect(measureAnswers(all, logits, options())).toEqual({ exactMatch: 0.5, f1: 0.5 });
});

it('refuses an answer outside of its row, and rows that are packed', () => {
  const row = { tokens: Int32Array.of(1, 2, 3), weights: Float32Array.of(1, 0, 1) };
  const collate =
    (more: object, predicting = false) =>
    () =>
      questionAnswering().collate([{ ...row, ...more }], { rows: 1, maxLength: 16, padToken: 0, predicting });
  expect(collate({ labels: Float32Array.of(1, 2) })).toThrow(
    /DATA_INVALID at question-answering.*from 0 to 1, got \[1, 2\]/,
  );
  expect(collate({ labels: Float32Array.of(1, 0) })).toThrow(/does not stand in its passage/);
  expect(collate({})).toThrow(/got nothing/);
  expect(collate({ labels: Float32Array.of(0, 0), segments: Int32Array.of(1, 1, 2) })).toThrow(/packed rows ask no/);
  expect(collate({}, true)().normalizers).toEqual({ rows: 0 });
});

it('measures questions with an answer and those without apart too, by SQuAD 2.0’s rules', () => {
  const rows = [
    part('a cat', [0, 0, 9], [0, 0, 9], { answers: ['the cat'] }),
    part('a cat', [9, 0, 0], [9, 0, 0], { answers: ['cat'] }),
    part('a cat', [9, 0, 0], [9, 0, 0]),
    part('a cat', [0, 0, 9], [0, 0, 9]),
    // What is left of an answer is nothing: so should be what is given.
    part('a cat', [9, 0, 0], [9, 0, 0], { answers: ['the'] }),
  ];
  const all = rows.map(({ passage }) => ({ tokens: new Int32Array(), weights: new Float32Array(), passage }));
  const logits = rows.map((row) => row.logits);
  expect(measureAnswers(all, logits, options({ nullThreshold: 0 }))).toEqual({
    ...{ exactMatch: 3 / 5, f1: 3 / 5, hasAnswerExactMatch: 2 / 3, hasAnswerF1: 2 / 3, noAnswerExactMatch: 1 / 2 },
  });
});
