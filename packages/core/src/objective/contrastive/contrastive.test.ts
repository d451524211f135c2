import { describe, expect, it } from 'vitest';
import { retrievalScores } from '../../metrics/retrieval-metrics.js';
import type { Row } from '../row.js';
import { addVirtualTokens, collateRows } from '../virtual-tokens.js';
import { candidateMask } from './candidate-mask.js';
import { contrastive } from './contrastive.js';

const text = (...tokens: number[]): Pick<Row, 'tokens' | 'weights'> => ({
  tokens: Int32Array.from(tokens),
  weights: new Float32Array(tokens.length),
});
const row = (...texts: Pick<Row, 'tokens' | 'weights'>[]): Row => {
  const [anchor, ...compared] = texts;
  return { ...(anchor as Row), compared };
};
const scored = (score: number, ...texts: Pick<Row, 'tokens' | 'weights'>[]): Row => ({
  ...row(...texts),
  labels: Float32Array.of(score),
});
const options = { rows: 3, maxLength: 16, padToken: 9 };
const random = { seed: 1, step: 0, firstRow: 0 };

describe('texts that are compared, as a batch', () => {
  const rows = [row(text(1), text(2, 3), text(4)), row(text(5, 6, 7), text(8))];
  const { columns, normalizers, tokens } = contrastive().collate(rows, options);
  const at = (name: string): number[] => [...(columns[name]?.data ?? [])].map(Number);

  it('are each row’s one after another, empty ones where a row or the batch has fewer', () => {
    const starts = Array.from({ length: 9 }, (_, index) => at('ids').slice(16 * index, 16 * index + 4));
    const none = [9, 9, 9, 9];
    expect(starts).toEqual([
      [1, 9, 9, 9],
      [2, 3, 9, 9],
      [4, 9, 9, 9],
      [5, 6, 7, 9],
      [8, 9, 9, 9],
      none,
      none,
      none,
      none,
    ]);
    expect(at('inText').reduce((sum, each) => sum + each, 0)).toBe(8);
    expect([at('firsts')[3], at('lasts')[3], at('lasts')[1]]).toEqual([48, 50, 17]);
    expect({ normalizers, tokens }).toEqual({ normalizers: { rows: 2, batches: 1 }, tokens: 8 });
  });

  it('are compared with their own positive and with the others’ texts, and with nothing that fills up', () => {
    expect(at('candidates')).toEqual([...[1, 1, 1, 0, 0, 0], ...[1, 1, 1, 0, 0, 0], ...[0, 0, 0, 0, 1, 0]]);
    expect(at('rowWeights')).toEqual([1, 1, 0]);
  });

  it('leave what is the model’s own out of a text', () => {
    const model = { virtualTokens: Int32Array.of(50, 51) };
    expect([...(addVirtualTokens(model, rows[0] as Row).compared?.[0]?.tokens ?? [])]).toEqual([50, 51, 2, 3]);
    const batch = collateRows(model, contrastive(), rows, options);
    const [inText, firsts, lasts] = ['inText', 'firsts', 'lasts'].map((name) => [...(batch.columns[name]?.data ?? [])]);
    const length = batch.columns.ids?.shape[1] as number;
    expect(inText?.slice(length, length + 5)).toEqual([0, 0, 1, 1, 0]);
    expect([firsts?.[1], lasts?.[1], batch.tokens]).toEqual([length + 2, length + 3, 8]);
  });

  it('takes so many hard negatives, and room for as many in the batch', () => {
    const objective = contrastive({ negatives: 1 });
    const many = row(text(1), text(2), text(3), text(4), text(5));
    expect(objective.collate([many, many], options).columns.ids?.shape).toEqual([9, 16]);
    expect(objective.rowsEach).toBe(3);
    expect(contrastive({ negatives: 0 }).collate([many, many], options).columns.ids?.shape).toEqual([6, 16]);
  });

  it('are refused where they do not fit the loss', () => {
    const pair = row(text(1), text(2));
    const refused = (config: object, rows: Row[], more: object = {}) =>
      expect(() => contrastive(config).collate(rows, { ...options, ...more }));
    refused({ loss: 'cosent' }, [pair]).toThrow(/DATA_INVALID at contrastive \(loss: cosent\).*two texts and a score/);
    refused({ loss: 'cosine' }, [scored(5, text(1), text(2))]).toThrow(/a score from -1 to 1, got 2 texts and \[5\]/);
    refused({}, [{ ...text(1) }]).toThrow(/a text, one that it is alike/);
    refused({}, [pair], { rows: 1, random }).toThrow(/CONFIG_INVALID at trainer.batchSize.*one pair/);
    expect(() => contrastive({ loss: 'cosent' }).collate([scored(5, text(1), text(2))], options)).not.toThrow();
    expect(() =>
      contrastive().collate([row(text(1), text(2), text(3))], { ...options, rows: 1, random }),
    ).not.toThrow();
  });

  it('need neither scores nor positives to be predicted', () => {
    const { columns: alone } = contrastive({ loss: 'cosent' }).collate([{ ...text(1) }], {
      ...options,
      predicting: true,
    });
    expect(alone.ids?.shape).toEqual([3, 16]);
    expect(alone.scores).toBeUndefined();
  });
});

describe('a false negative', () => {
  const mask = (rows: Pick<Row, 'tokens'>[][], others = 1) => {
    const all = [...candidateMask(rows, rows.length, others)];
    const width = rows.length * others;
    return rows.map((_, index) => all.slice(index * width, (index + 1) * width).join(''));
  };
  it.each([
    [
      'is none among texts that differ',
      [
        [1, 2],
        [3, 4],
      ],
      ['11', '11'],
    ],
    [
      'is the same positive of another anchor',
      [
        [1, 2],
        [3, 2],
      ],
      ['10', '01'],
    ],
    [
      'is every positive of an equal anchor',
      [
        [1, 2],
        [1, 3],
        [4, 5],
      ],
      ['101', '011', '111'],
    ],
    [
      'is the anchor itself',
      [
        [1, 2],
        [3, 1],
      ],
      ['10', '11'],
    ],
  ])('%s', (_, rows, expected) => {
    expect(mask(rows.map((each) => each.map((token) => text(token))))).toEqual(expected);
  });

  it('is a hard negative of another row that is the own positive, but not one of an equal anchor', () => {
    const rows = [
      [1, 2, 6],
      [3, 4, 2],
      [1, 5, 7],
    ].map((each) => each.map((token) => text(token)));
    expect(mask(rows, 2)).toEqual(['111001', '111111', '011111']);
  });
});

describe('what vectors are worth', () => {
  const vector = (...values: number[]) => Float32Array.from(values);
  const both = (one: number[], other: number[]) => vector(...one, ...other);
  const { measure } = contrastive().predictions as NonNullable<ReturnType<typeof contrastive>['predictions']>;

  it('is how soon an anchor finds its own', () => {
    const rows = [row(text(1), text(2)), row(text(3), text(4)), row(text(5), text(6))];
    const found = measure(rows, [both([1, 0], [2, 0]), both([0, 1], [0, 3]), both([1, 0.1], [0, -1])]);
    // The third's own is the last of three.
    expect(found).toEqual({ 'accuracy@1': 2 / 3, 'mrr@10': (1 + 1 + 1 / 3) / 3 });
  });

  it('counts equal texts once, and any of an anchor’s own', () => {
    const rows = [row(text(1), text(2)), row(text(1), text(3)), row(text(4), text(2))];
    const found = measure(rows, [both([1, 0], [0, 1]), both([1, 0], [1, 0]), both([0, 1], [0, 1])]);
    expect(found).toEqual({ 'accuracy@1': 1, 'mrr@10': 1 });
  });

  it('is nothing where all vectors are the same, or are no numbers', () => {
    const same = Array.from({ length: 20 }, () => vector(1, 1));
    const own = (anchor: number, other: number) => anchor === other;
    expect(retrievalScores(same, same, own)).toEqual({ accuracy: 0, reciprocalRank: 0 });
    const none = same.map(() => vector(Number.NaN, 1));
    expect(retrievalScores(none, none, own)).toEqual({ accuracy: 0, reciprocalRank: 0 });
    expect(retrievalScores(none.slice(1, 2), none.slice(1, 2), own).accuracy).toBe(0);
  });

  it('is the correlation of cosines with scores', () => {
    const rows = [0.1, 0.5, 0.9].map((score, index) => scored(score, text(index), text(index)));
    const of = contrastive({ loss: 'cosent' }).predictions?.measure;
    const predicted = [both([1, 0], [0, 2]), both([1, 0], [5, 5]), both([1, 0], [3, 0])];
    expect(of?.(rows, predicted).spearman).toBeCloseTo(1, 12);
    expect(of?.(rows, predicted.toReversed()).spearman).toBeCloseTo(-1, 12);
    expect(of?.(rows, predicted).pearson).toBeGreaterThan(0.9);
  });
});
