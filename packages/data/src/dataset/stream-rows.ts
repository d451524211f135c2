import { type Row, type RowSource, randomKey } from '@tunesmith/core';
import { fileStart } from '../read/file-row.js';
import { type TokenizeOptions, tokenizeExample } from '../tokenize/tokenize-example.js';
import { permuted } from './permutation.js';
import { type ExampleOptions, type ExamplePosition, readExamples } from './read-examples.js';
import { createTally, defaultMaxMaskedFraction, requireAnswers } from './tally.js';

export interface StreamOptions extends ExampleOptions, TokenizeOptions {
  readonly files: readonly string[];
  readonly seed?: number;
  /** Rows that are shuffled together; 2048 unless given, and 1 keeps the files' order. */
  readonly shuffleBuffer?: number;
  readonly maxMaskedFraction?: number;
}

/** A place between two rows: where the block of shuffled rows starts, and how many of it were taken. */
type Position = {
  readonly epoch: number;
  readonly block: number;
  readonly file: number;
  readonly rows: number;
  readonly byte: number | null;
  readonly line: number | null;
  readonly taken: number;
};

/**
 * Training rows straight from the files, with nothing written to disk; for a first look, or where there is no room for the
 * cache of `createDataset`, which shuffles whole epochs and does not tokenise again.
 *
 * Rows are shuffled in blocks, a function of seed, epoch and block: a resumed run reads its block again and goes on in it.
 */
export function streamRows(options: StreamOptions): RowSource {
  const { files, seed = 0, shuffleBuffer = 2048, maxMaskedFraction = defaultMaxMaskedFraction } = options;

  async function* epoch(from: Position): AsyncGenerator<{ row: Row; position: Position }> {
    const tally = createTally();
    let { block, taken } = from;
    let start = fromPosition(from);
    let rows: Row[] = [];
    function* shuffled() {
      const key = randomKey(seed, 'block', from.epoch, block);
      for (; taken < rows.length; taken++) {
        const row = rows[permuted(taken, rows.length, key)] as Row;
        yield { row, position: toPosition(from.epoch, block, start, taken + 1) };
      }
    }
    for await (const { example, next } of readExamples(files, options, start)) {
      const result = tokenizeExample(example, options);
      tally.add(example, result);
      if (!result.masked) for (const row of result.rows) rows.push(row);
      if (rows.length < shuffleBuffer) continue;
      yield* shuffled();
      [rows, start, taken] = [[], next, 0];
      block += 1;
    }
    yield* shuffled();
    // From the middle of an epoch there may be no example left, which says nothing of the data.
    if (from.rows === 0 && from.file === 0) requireAnswers(tally.report(), files, maxMaskedFraction);
  }

  return {
    async *read(position) {
      let from = position === null ? toPosition(0, 0, { file: 0, at: fileStart }, 0) : (position as Position);
      while (true) {
        yield* epoch(from);
        from = toPosition(from.epoch + 1, 0, { file: 0, at: fileStart }, 0);
      }
    },
  };
}

function toPosition(epoch: number, block: number, { file, at }: ExamplePosition, taken: number): Position {
  return { epoch, block, file, rows: at.rows, byte: at.byte ?? null, line: at.line ?? null, taken };
}

function fromPosition({ file, rows, byte, line }: Position): ExamplePosition {
  return { file, at: { rows, ...(byte !== null && { byte }), ...(line !== null && { line }) } };
}
