import { createHash } from 'node:crypto';
import path from 'node:path';
import { type Json, type Row, type RowSource, randomKey, TunesmithError } from '@tunesmith/core';
import { joinRows } from '../pack/pack-rows.js';
import { defaultPromptLossWeight, type TokenizeOptions, tokenizeExample } from '../tokenize/tokenize-example.js';
import { contentHash } from './content-hash.js';
import { permuted } from './permutation.js';
import { type ExampleOptions, readExamples } from './read-examples.js';
import { reservoir } from './reservoir.js';
import { buildRowCache, cacheVersion, openRowCache, type RowCache } from './row-cache.js';
import { createRowOrder, type RowOrder } from './row-order.js';
import { createTally, type DataReport, defaultMaxMaskedFraction, requireAnswers } from './tally.js';

export interface DatasetOptions extends ExampleOptions, TokenizeOptions {
  readonly files: readonly string[];
  /** Folder of the tokenised rows; made where it is missing, and safe to delete. */
  readonly cacheFolder: string;
  /** Decides the order of every epoch, and a split. 0 unless given. */
  readonly seed?: number;
  /** Another random order every epoch (the default), or the files' order. */
  readonly shuffle?: boolean;
  /** Pack several rows into one of `maxLength` tokens. */
  readonly packing?: boolean;
  /** Largest part of examples without an answer to learn that is accepted, 0..1; 0.1 unless given. */
  readonly maxMaskedFraction?: number;
  /** Called from time to time while examples are tokenised. */
  readonly onProgress?: (examples: number) => void;
  readonly signal?: AbortSignal;
}

/** Training rows of one or more files, or of one side of a split. */
export interface Dataset extends RowSource {
  /** Rows in the first epoch; where rows are packed, their number differs a little from epoch to epoch. */
  readonly length: number;
  /** What tokenising did to all of the files' examples. */
  readonly report: DataReport;
  /** Whether the tokenised rows were there already. */
  readonly cached: boolean;
  /** Rows of epoch after epoch without end, from a position that came with an earlier row, or from the start with null. */
  read(position: Json): AsyncGenerator<{ readonly row: Row; readonly position: Json }>;
  /** Every row once, in the files' order: for evaluation. */
  rows(): AsyncGenerator<Row>;
}

export interface WholeDataset extends Dataset {
  /** Sets a seeded part of the examples aside, at least one on each side; the rows of one text stay together. */
  split(fraction: number): { readonly train: Dataset; readonly validation: Dataset };
  /** At most so many of its rows, seeded: those that a reservoir holds after all have come. */
  sample(size: number): Dataset;
}

/**
 * Opens data files as training rows.
 *
 * The rows are tokenised once, row by row, into a cache that is named by everything they depend on: the files' content, the
 * tokenizer, the template and the options. Training reads them by ranges, so that neither files nor cache need fit in
 * memory. Because the cache is indexed, an epoch's order is a full permutation, a function of seed and epoch alone; a
 * position is two numbers.
 */
export async function createDataset(options: DatasetOptions): Promise<WholeDataset> {
  const { files, maxMaskedFraction = defaultMaxMaskedFraction } = options;
  const key = await cacheKey(options);
  const folder = path.join(options.cacheFolder, key);
  const existing = await openRowCache(folder);
  const cache = existing ?? (await build(folder, options));
  requireAnswers(cache.report, files, maxMaskedFraction);
  const { seed = 0 } = options;
  const cached = existing !== null;
  return {
    ...view({ cache, cached, key, options }),
    split(fraction) {
      const held = heldOut(cache.examples, fraction, seed);
      const side = (wanted: boolean) => {
        const members = Uint32Array.from(cache.examples.keys()).filter(
          (row) => held(cache.examples[row] as number) === wanted,
        );
        return view({ cache, cached, key: `${key}/${fraction}/${wanted ? 'validation' : 'train'}`, options, members });
      };
      return { train: side(false), validation: side(true) };
    },
    sample(size) {
      const members = reservoir(cache.lengths.length, size, seed);
      return view({ cache, cached, key: `${key}/reservoir ${size}`, options, members });
    },
  };
}

function build(folder: string, options: DatasetOptions): Promise<RowCache> {
  const tally = createTally();
  const { files, tokenizer, signal, onProgress } = options;
  async function* examples(): AsyncGenerator<readonly Row[]> {
    let count = 0;
    for await (const { example } of readExamples(files, options)) {
      if (signal?.aborted) throw new TunesmithError('ABORTED', 'tokenising was stopped', { cause: signal.reason });
      const result = tokenizeExample(example, options);
      tally.add(example, result);
      if (!result.masked) yield result.rows;
      if (++count % 500 === 0) onProgress?.(count);
    }
    onProgress?.(count);
  }
  const tokenBytes = tokenizer.vocabSize <= 0x10000 ? 2 : 4;
  return buildRowCache(folder, tokenBytes, { examples: examples(), report: tally.report });
}

/** A place between two rows. */
type Position = {
  /** The rows it belongs to. */
  readonly data: string;
  readonly epoch: number;
  /** First row of the window that is read, and how many of its packed rows were taken. */
  readonly row: number;
  readonly packed: number;
};

interface ViewOptions {
  readonly cache: RowCache;
  readonly cached: boolean;
  readonly key: string;
  readonly options: DatasetOptions;
  /** The cache's rows that belong to the view; all unless given. */
  readonly members?: Uint32Array;
}

function view({ cache, cached, key, options, members }: ViewOptions): Dataset {
  const { seed = 0, shuffle = true, packing = false, maxLength, files } = options;
  const shared = {
    lengths: cache.lengths,
    ...(members && { members }),
    seed,
    packedLength: packing ? maxLength : null,
  };
  const order = createRowOrder({ ...shared, shuffle });
  const inOrder = createRowOrder({ ...shared, shuffle: false });
  const start: Position = { data: `${key}/${seed}/${shuffle}/${packing}`, epoch: 0, row: 0, packed: 0 };

  async function* epoch(of: RowOrder, from: Position): AsyncGenerator<{ row: Row; position: Position }> {
    const opened = await cache.open();
    try {
      for (let row = from.row; row < of.rows; row += of.window) {
        const bins = of.bins(from.epoch, row);
        for (let packed = row === from.row ? from.packed : 0; packed < bins.length; packed++) {
          const parts: Row[] = [];
          for (const part of bins[packed] as number[]) parts.push(await opened.read(part));
          yield { row: packing ? joinRows(parts) : (parts[0] as Row), position: { ...from, row, packed: packed + 1 } };
        }
      }
    } finally {
      await opened.close();
    }
  }

  return {
    length: order.packedRows(0),
    report: cache.report,
    cached,
    async *read(position) {
      let from = position === null ? start : positionIn(start.data, position, files);
      while (true) {
        yield* epoch(order, from);
        from = { ...start, epoch: from.epoch + 1 };
      }
    },
    async *rows() {
      for await (const { row } of epoch(inOrder, start)) yield row;
    },
  };
}

function positionIn(data: string, position: Json, files: readonly string[]): Position {
  const from = position as Position;
  if (from.data === data) return from;
  throw new TunesmithError('DATA_INVALID', 'the position belongs to other data', {
    where: files.join(', '),
    expected: 'the files, tokenizer and data options of the run that is resumed',
    hint: 'A file or an option has changed since; start a new run, or restore them.',
  });
}

/** Whether an example is held out. The number held out is exact, which matters for small data. */
function heldOut(examples: Uint32Array, fraction: number, seed: number): (example: number) => boolean {
  const count = (examples.at(-1) ?? -1) + 1;
  if (!(fraction > 0 && fraction < 1) || count < 2) {
    throw new TunesmithError('CONFIG_INVALID', 'the examples cannot be split', {
      expected: 'a fraction between 0 and 1, and at least 2 examples',
      got: `${fraction} of ${count}`,
    });
  }
  const held = Math.min(count - 1, Math.max(1, Math.round(fraction * count)));
  const key = randomKey(seed, 'validation');
  return (example) => permuted(example, count, key) < held;
}

async function cacheKey(options: DatasetOptions): Promise<string> {
  const { files, tokenizer, template, format, columns, textUnit, header, labels, rows, wholeTexts } = options;
  const { answerStart, passages } = options;
  const { maxLength, promptLossWeight = defaultPromptLossWeight, trainOnHistory = true, longText, now } = options;
  const content: string[] = [];
  for (const file of files) content.push(path.extname(file), await contentHash(file, options.cacheFolder));
  const named = {
    format,
    columns,
    textUnit,
    header,
    labels,
    rows,
    wholeTexts,
    answerStart,
    passages,
    maxLength,
    promptLossWeight,
    trainOnHistory,
    longText,
    now,
  };
  const all = { cacheVersion, content, tokenizer: tokenizer.hash, template: template?.source ?? null, ...named };
  return createHash('sha256').update(JSON.stringify(all)).digest('hex').slice(0, 32);
}
