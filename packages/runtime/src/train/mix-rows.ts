import type { Json } from '@tunesmith/core';
import type { Dataset } from '@tunesmith/data';
import { z } from 'zod';

const positionSchema = z.array(z.object({ taken: z.int().min(0), at: z.json() }));

/** How many rows of a set were taken, and the position after them. */
interface Place {
  readonly taken: number;
  readonly at: Json;
}

/**
 * The rows of several data sets, of each its share, evenly: of any n rows from the start, share · n of each, but for less than one or
 * two. The next is of the set that is furthest behind, the first of several. Each keeps its own order and goes on from where it was.
 * The report is that of the set with the longest example.
 */
export function mixRows(sets: readonly Dataset[], shares: readonly number[], length: number): Dataset {
  const total = shares.reduce((sum, share) => sum + share, 0);
  const [report] = sets.map((set) => set.report).sort((a, b) => b.longest - a.longest);
  return {
    length,
    report: report as Dataset['report'],
    cached: sets.every(({ cached }) => cached),
    async *rows() {
      for (const set of sets) yield* set.rows();
    },
    async *read(position) {
      const places: Place[] =
        position === null ? sets.map(() => ({ taken: 0, at: null })) : positionSchema.parse(position);
      const readers = sets.map((set, index) => set.read((places[index] as Place).at));
      try {
        for (;;) {
          const next = furthestBehind(places, shares, total);
          const result = await (readers[next] as (typeof readers)[number]).next();
          if (result.done === true) return;
          const { row, position: at } = result.value;
          places[next] = { taken: (places[next] as Place).taken + 1, at };
          yield { row, position: places.map((place) => ({ ...place })) };
        }
      } finally {
        await Promise.all(readers.map((reader) => reader.return(undefined)));
      }
    },
  };
}

/** Rows that say which task they are of. */
export function withTask(set: Dataset, task: number): Dataset {
  return {
    ...set,
    async *rows() {
      for await (const row of set.rows()) yield { ...row, task };
    },
    async *read(position) {
      for await (const read of set.read(position)) yield { ...read, row: { ...read.row, task } };
    },
  };
}

/**
 * Shares of tasks by their sizes at a temperature: n^(1/T) over their sum (Raffel et al. 2020, arXiv:1910.10683, §3.5.2). At 1 each
 * has its own share of the rows; the higher, the more alike.
 */
export function sharesAt(temperature: number, sizes: readonly number[]): number[] {
  const powers = sizes.map((size) => size ** (1 / temperature));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

function furthestBehind(places: readonly Place[], shares: readonly number[], total: number): number {
  const rows = places.reduce((sum, { taken }) => sum + taken, 0);
  let [most, next] = [Number.NEGATIVE_INFINITY, 0];
  for (const [index, { taken }] of places.entries()) {
    const behind = ((rows + 1) * (shares[index] as number)) / total - taken;
    // Shares are rounded; what is a tie but for that is one.
    if (behind > most + 1e-9) [most, next] = [behind, index];
  }
  return next;
}
