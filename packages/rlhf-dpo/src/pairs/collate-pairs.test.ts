import type { Row } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { collateJudged } from '../reward/collate-judged.js';
import { collatePairs } from './collate-pairs.js';

const text = (prompt: readonly number[], answer: readonly number[]): Pick<Row, 'tokens' | 'weights'> => ({
  tokens: Int32Array.from([...prompt, ...answer]),
  weights: new Float32Array(prompt.length + answer.length).fill(1, prompt.length),
});
/** The pairs of TRL's test of its collator (tests/test_dpo_trainer.py): (1, 2, 3 | 4, 5 | 6) and (7, 8 | 9, 10 | 11, 12, 13). */
const rows: Row[] = [
  { ...text([1, 2, 3], [4, 5]), rejected: text([1, 2, 3], [6]), margin: 0.5 },
  { ...text([7, 8], [9, 10]), rejected: text([7, 8], [11, 12, 13]) },
];
const options = { rows: 3, maxLength: 16, padToken: 0 };
const padded = (...tokens: number[]): number[] => [...tokens, ...new Array<number>(16 - tokens.length).fill(0)];
const texts = [[1, 2, 3, 4, 5], [1, 2, 3, 6], [7, 8, 9, 10], [7, 8, 11, 12, 13], [], []].flatMap((row) =>
  padded(...row),
);

describe('pairs as a batch', () => {
  it('are a text with each answer, of which the answers’ tokens are predicted', () => {
    const { columns, normalizers, tokens } = collatePairs('dpo', rows, options);
    expect([...(columns.ids?.data ?? [])]).toEqual(texts);
    const weights = [...(columns.targetWeights?.data ?? [])];
    const targets = [...(columns.targets?.data ?? [])].map((token, index) => [
      token,
      columns.targetRows?.data[index],
      columns.targetPositions?.data[index],
    ]);
    expect(targets.filter((_, index) => weights[index] === 1)).toEqual([
      ...[
        [4, 0, 2],
        [5, 0, 3],
        [6, 1, 16 + 2],
      ],
      ...[
        [9, 2, 32 + 1],
        [10, 2, 32 + 2],
        [11, 3, 48 + 1],
        [12, 3, 48 + 2],
        [13, 3, 48 + 3],
      ],
    ]);
    expect([...(columns.answerTokens?.data ?? [])]).toEqual([2, 1, 2, 3, 1, 1]);
    expect([...(columns.pairWeights?.data ?? [])]).toEqual([1, 1, 0]);
    expect({ normalizers, tokens }).toEqual({ normalizers: { pairs: 2 }, tokens: 18 });
  });

  it('learn prompts without tokens that are the model’s own', () => {
    const learntOf = (virtualTokens: number) => {
      const { columns, normalizers } = collatePairs('orpo', rows, { ...options, virtualTokens }, { learnt: 'text' });
      const at = [...(columns.targetPositions?.data ?? [])];
      const learnt = at.filter((_, index) => columns.learntWeights?.data[index] === 1);
      return { from: learnt, ...normalizers };
    };
    // Of (1, 2, 3, 4, 5) and (7, 8, 9, 10), all but the first token, by the positions before them.
    expect(learntOf(0)).toEqual({ from: [0, 1, 2, 3, 32, 33, 34], learnt: 7, pairs: 2 });
    expect(learntOf(1)).toEqual({ from: [1, 2, 3, 33, 34], learnt: 5, pairs: 2 });
  });

  it('are judged at the last token of each branch where they share a row', () => {
    const { columns } = collateJudged('reward', rows, options, { shared: true });
    const last = [...(columns.last?.data ?? [])];
    const ids = columns.ids?.data ?? [];
    const expected = rows.flatMap(({ tokens, rejected }) => [tokens.at(-1), rejected?.tokens.at(-1)]);
    expect(last.slice(0, 4).map((at) => ids[at])).toEqual(expected);
    expect(new Set(last.slice(0, 4)).size).toBe(4);
  });

  it('are judged at their last tokens, with their margins', () => {
    const { columns, normalizers } = collateJudged('reward', rows, options, { shared: false });
    expect([...(columns.ids?.data ?? [])]).toEqual(texts);
    expect([...(columns.last?.data ?? [])]).toEqual([4, 16 + 3, 32 + 3, 48 + 4, 64, 80]);
    expect([...(columns.margins?.data ?? [])]).toEqual([0.5, 0, 0]);
    expect([...(columns.segments?.data ?? [])].reduce((sum, each) => sum + each, 0)).toBe(18);
    expect(normalizers).toEqual({ pairs: 2 });
  });
});
