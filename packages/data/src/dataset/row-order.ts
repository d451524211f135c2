import { randomKey } from '@tunesmith/core';
import { packLengths } from '../pack/pack-rows.js';
import { permuted } from './permutation.js';

/** The order in which an epoch takes the rows of a view: all of a cache's, or those of one side of a split. */
export interface RowOrder {
  readonly rows: number;
  /** Rows that are packed together. */
  readonly window: number;
  /** The rows that share a packed row, for each packed row of the window that starts at a place. */
  bins(epoch: number, start: number): number[][];
  /** Rows in an epoch once they are packed. */
  packedRows(epoch: number): number;
}

export interface RowOrderOptions {
  /** Tokens of each row of the cache. */
  readonly lengths: Uint32Array;
  /** The rows of the view; all unless given. */
  readonly members?: Uint32Array;
  readonly seed: number;
  readonly shuffle: boolean;
  /** Tokens of a packed row, or null for one row each. */
  readonly packedLength: number | null;
}

/** Enough rows to fill packed rows nearly full, and few enough to keep an epoch's order random. */
const packWindow = 1024;

export function createRowOrder({ lengths, members, seed, shuffle, packedLength }: RowOrderOptions): RowOrder {
  const rows = members?.length ?? lengths.length;
  const window = packedLength === null ? 1 : packWindow;
  const at = (epoch: number, place: number) => {
    const member = shuffle ? permuted(place, rows, randomKey(seed, 'order', epoch)) : place;
    return members === undefined ? member : (members[member] as number);
  };
  const bins = (epoch: number, start: number): number[][] => {
    if (packedLength === null) return [[at(epoch, start)]];
    const end = Math.min(rows, start + window);
    const taken = Array.from({ length: end - start }, (_, offset) => at(epoch, start + offset));
    const packed = packLengths(
      taken.map((row) => lengths[row] as number),
      packedLength,
    ).map((bin) => bin.map((index) => taken[index] as number));
    // Packing puts the longest rows first; shuffling keeps their length from depending on the step.
    const key = randomKey(seed, 'bins', epoch, start);
    return shuffle ? packed.map((_, index) => packed[permuted(index, packed.length, key)] as number[]) : packed;
  };
  return {
    rows,
    window,
    bins,
    packedRows(epoch) {
      if (packedLength === null) return rows;
      let sum = 0;
      for (let start = 0; start < rows; start += window) sum += bins(epoch, start).length;
      return sum;
    },
  };
}
