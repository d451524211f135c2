import { expect, it } from 'vitest';
import { dataWarnings } from './data-warnings.js';

const report = {
  ...{ examples: 9, rows: 8, tokens: 100, longest: 40, truncatedPrompts: 3, promptTokensDropped: 7 },
  ...{ truncatedAnswers: 0, answerTokensDropped: 0, masked: 0, truncatedExamples: [], maskedExamples: [] },
  pairs: null,
};

it('says nothing where answers are whole', () => expect(dataWarnings(report, 32)).toEqual([]));

it('says how many answers are cut or missing, and where to look', () => {
  const found = { truncatedAnswers: 2, truncatedExamples: ['a:1', 'a:4'], masked: 1, maskedExamples: ['a:7'] };
  expect(dataWarnings({ ...report, ...found }, 32)).toEqual([
    '2 of 9 answers are cut to fit into 32 tokens, the first at a:1; a larger data.maxLength keeps them whole',
    '1 of 9 examples are left out, since nothing of them is to be learnt, the first at a:7',
  ]);
});

it('says which pairs of answers teach nothing, or the wrong thing', () => {
  const pairs = { identical: 1, identicalExamples: ['a:3'], cutOnOneSide: 2, cutOnOneSideExamples: ['a:1', 'a:2'] };
  expect(dataWarnings({ ...report, pairs }, 32)).toEqual([
    'of 2 of 9 pairs only one answer is cut, the first at a:1: a whole answer is compared with a part of one',
    '1 of 9 pairs have twice the same answer, the first at a:3',
  ]);
});
