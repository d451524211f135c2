import { type Row, TunesmithError } from '@tunesmith/core';

export interface PackOptions {
  /** What becomes of a row longer than `maxLength`: an error (the default), its end is cut off, or it is split in pieces. */
  readonly tooLong?: 'error' | 'truncate' | 'split';
}

/**
 * Packs rows into rows of at most `maxLength` tokens, best fit decreasing (as TRL's `bfd`): the longest first, each into the
 * fullest packed row that still has room. A segment id for each keeps attention from crossing, positions start again, and the
 * first token of each has weight 0, so that a packed row has the losses of its parts. Empty rows are left out.
 */
export function packRows(rows: readonly Row[], maxLength: number, { tooLong = 'error' }: PackOptions = {}): Row[] {
  const fitting = rows.flatMap((row): Row[] => {
    if (row.tokens.length <= maxLength) return row.tokens.length === 0 ? [] : [row];
    if (tooLong === 'truncate') return [sliceRow(row, 0, maxLength)];
    if (tooLong === 'split') {
      const pieces = Math.ceil(row.tokens.length / maxLength);
      return Array.from({ length: pieces }, (_, piece) => sliceRow(row, piece * maxLength, (piece + 1) * maxLength));
    }
    throw new TunesmithError('DATA_INVALID', 'a row is longer than a packed row', {
      expected: `at most ${maxLength} tokens`,
      got: String(row.tokens.length),
      hint: 'Tokenise with the same maxLength, or say what to do with long rows (tooLong).',
    });
  });
  const lengths = fitting.map(({ tokens }) => tokens.length);
  return packLengths(lengths, maxLength).map((bin) => joinRows(bin.map((index) => fitting[index] as Row)));
}

/** Best fit decreasing over lengths alone: which of them share a bin. Equal lengths keep their order, and so do equal fits. */
export function packLengths(lengths: ArrayLike<number>, maxLength: number): number[][] {
  const decreasing = Array.from(lengths, (_, index) => index).sort(
    (a, b) => (lengths[b] as number) - (lengths[a] as number) || a - b,
  );
  const bins: number[][] = [];
  /** The bins with so much room, the oldest first. */
  const withRoom: number[][] = Array.from({ length: maxLength + 1 }, () => []);
  for (const index of decreasing) {
    const length = lengths[index] as number;
    let room = length;
    while (room <= maxLength && (withRoom[room] as number[]).length === 0) room++;
    const bin = room <= maxLength ? ((withRoom[room] as number[]).shift() as number) : bins.push([]) - 1;
    (bins[bin] as number[]).push(index);
    (withRoom[Math.min(room, maxLength) - length] as number[]).push(bin);
  }
  return bins;
}

/** Several rows as one, each a segment of its own. */
export function joinRows(rows: readonly Row[]): Row {
  if (rows.some(({ rejected }) => rejected !== undefined)) {
    throw new TunesmithError('DATA_INVALID', 'rows of two answers cannot be packed', {
      hint: 'Leave packing off for preference data.',
    });
  }
  if (rows.some(({ compared }) => compared !== undefined)) {
    throw new TunesmithError('DATA_INVALID', 'texts that are compared have rows of their own and cannot be packed', {
      hint: 'Leave packing off for embedders.',
    });
  }
  if (rows.some(({ passage }) => passage !== undefined)) {
    throw new TunesmithError('DATA_INVALID', 'a row asks one question, so that rows cannot be packed', {
      hint: 'Leave packing off for questions about passages.',
    });
  }
  if (rows.some(({ source }) => source !== undefined)) {
    throw new TunesmithError('DATA_INVALID', 'an encoder reads one text for each row, so that rows cannot be packed', {
      hint: 'Leave packing off for encoder-decoders.',
    });
  }
  const length = rows.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const packed = {
    tokens: new Int32Array(length),
    weights: new Float32Array(length),
    positions: new Int32Array(length),
    segments: new Int32Array(length),
  };
  let start = 0;
  for (const [index, { tokens, weights }] of rows.entries()) {
    packed.tokens.set(tokens, start);
    packed.weights.set(weights, start);
    packed.weights[start] = 0;
    for (let offset = 0; offset < tokens.length; offset++) packed.positions[start + offset] = offset;
    packed.segments.fill(index + 1, start, start + tokens.length);
    start += tokens.length;
  }
  return packed;
}

function sliceRow({ tokens, weights }: Row, start: number, end: number): Row {
  return { tokens: tokens.slice(start, end), weights: weights.slice(start, end) };
}
