import type { Row } from '@tunesmith/core';
import type { Dataset } from '@tunesmith/data';
import { describe, expect, it } from 'vitest';
import { mixRows, sharesAt } from './mix-rows.js';

/** Rows whose only token says which they are: `first`, `first` + 1 and so on, without end. */
function counting(first: number): Dataset {
  const row = (index: number): Row => ({ tokens: Int32Array.of(first + index), weights: Float32Array.of(0) });
  return {
    length: 2,
    cached: true,
    report: { longest: first } as Dataset['report'],
    async *read(position) {
      for (let index = Number(position); ; index++) yield { row: row(index), position: index + 1 };
    },
    async *rows() {
      for (const index of [0, 1]) yield row(index);
    },
  };
}

async function take(source: Dataset, count: number, from: unknown = null): Promise<{ seen: number[]; at: unknown }> {
  const seen: number[] = [];
  let at: unknown = from;
  for await (const { row, position } of source.read(from as never)) {
    seen.push(row.tokens[0] as number);
    at = position;
    if (seen.length === count) break;
  }
  return { seen, at };
}

describe('mixRows', () => {
  it('has the rows of all for whoever goes through them once', async () => {
    const mixed = mixRows([counting(0), counting(100)], [0.5, 0.5], 4);
    const seen: (number | undefined)[] = [];
    for await (const { tokens } of mixed.rows()) seen.push(tokens[0]);
    expect(seen).toEqual([0, 1, 100, 101]);
    expect([mixed.length, mixed.report.longest]).toEqual([4, 100]);
  });

  it('takes of each source its share, evenly and in its own order', async () => {
    const { seen } = await take(mixRows([counting(0), counting(100)], [0.75, 0.25], 8), 12);
    expect(seen).toEqual([0, 1, 100, 2, 3, 4, 101, 5, 6, 7, 102, 8]);
    for (const count of [10, 37, 100]) {
      const { seen: mixed } = await take(
        mixRows([counting(0), counting(100), counting(1000)], [0.5, 0.3, 0.2], 8),
        count,
      );
      const counts = [0, 100, 1000].map(
        (first) => mixed.filter((token) => token >= first && token < first + 100).length,
      );
      for (const [index, share] of [0.5, 0.3, 0.2].entries()) {
        expect(Math.abs((counts[index] as number) - share * count)).toBeLessThanOrEqual(1);
      }
    }
  });

  it('goes on from any position as if it had not stopped', async () => {
    const mixed = mixRows([counting(0), counting(100), counting(1000)], [0.5, 0.3, 0.2], 8);
    const { seen: whole } = await take(mixed, 20);
    const { seen: start, at } = await take(mixed, 7);
    const { seen: rest } = await take(mixed, 13, JSON.parse(JSON.stringify(at)));
    expect([...start, ...rest]).toEqual(whole);
  });
});

it('sharesAt gives each its own share at 1, and equal ones far above', () => {
  expect(sharesAt(1, [300, 100])).toEqual([0.75, 0.25]);
  expect(sharesAt(2, [900, 100])).toEqual([0.75, 0.25]);
  for (const share of sharesAt(1e6, [900, 100])) expect(share).toBeCloseTo(0.5, 4);
});
