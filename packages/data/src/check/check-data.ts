import { createHash } from 'node:crypto';
import { type Row, TunesmithError } from '@tunesmith/core';
import { detectFileFormat, type ExampleOptions } from '../dataset/read-examples.js';
import { createTally, type DataReport } from '../dataset/tally.js';
import { type Example, rowLabel } from '../format/example.js';
import { type FormatName, parseRow } from '../format/formats.js';
import { fileStart } from '../read/file-row.js';
import { readRows } from '../read/read-rows.js';
import { type TokenizeOptions, tokenizeExample } from '../tokenize/tokenize-example.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { type LabelHistogram, labelHistogram } from './label-histogram.js';
import { type LengthHistogram, lengthHistogram } from './length-histogram.js';
import { type WeightedText, weightedText } from './weighted-text.js';

export interface CheckOptions extends ExampleOptions, TokenizeOptions {}

/** What a data file would be as training rows. Plain JSON; printing it is the caller's part. */
export interface DataCheck {
  readonly file: string;
  readonly format: FormatName;
  readonly report: DataReport;
  readonly lengths: LengthHistogram;
  /** The same of the texts with chosen and rejected answers; null where the rows are no pairs. */
  readonly pairLengths: { readonly chosen: LengthHistogram; readonly rejected: LengthHistogram } | null;
  /** Tokens that stand for what the tokenizer cannot write: a few per mille are usual, more means the wrong tokenizer. */
  readonly unknownTokens: number;
  /** Rows that cannot be used, and the messages of the first of them. */
  readonly invalid: number;
  readonly errors: readonly string[];
  /** Examples whose tokens are those of an earlier one, and the first of them as `file:row`. */
  readonly duplicates: number;
  readonly duplicateExamples: readonly string[];
  /** Questions that their passage does not answer; null where the rows are no questions. */
  readonly unanswered: number | null;
  /** How often each label is given, where labels are learnt. */
  readonly labels: LabelHistogram | null;
  /** The first example with an answer, as it would be trained. */
  readonly example: {
    readonly source: string;
    readonly spans: readonly WeightedText[];
    /** The text with the rejected answer, where there is one. */
    readonly rejected?: readonly WeightedText[];
    /** The texts that it is compared with, where there are such, and how alike they are, where the data says. */
    readonly compared?: readonly string[];
    readonly score?: number;
    /** What would be right to answer, where questions are asked about passages. */
    readonly answers?: readonly string[];
  } | null;
}

const mostListed = 20;

/**
 * Reads a whole data file as training would, and reports what it finds instead of stopping at the first row that does not
 * fit. A file whose format is unknown is still an error.
 */
export async function checkData(file: string, options: CheckOptions): Promise<DataCheck> {
  const format = await detectFileFormat(file, options);
  const tally = createTally();
  const lengths: number[] = [];
  const [chosenLengths, rejectedLengths]: [number[], number[]] = [[], []];
  const errors: string[] = [];
  const seen = new Set<number>();
  const duplicateExamples: string[] = [];
  let invalid = 0;
  let duplicates = 0;
  let unknownTokens = 0;
  let unanswered: number | null = null;
  let shown: DataCheck['example'] = null;
  const labels: Float32Array[] = [];

  const refuse = (error: unknown) => {
    if (!TunesmithError.isInstance(error) || error.code !== 'DATA_INVALID') throw error;
    invalid += 1;
    if (errors.length < mostListed) errors.push(error.message);
  };
  const check = (value: Parameters<typeof parseRow>[0], row: number) => {
    const source = { file, row };
    const example = parseRow(value, format, source, format.columns, options.labels);
    const result = tokenizeExample(example, options);
    tally.add(example, result);
    lengths.push(result.length);
    if (result.pair !== undefined) {
      chosenLengths.push(result.pair.lengths[0]);
      rejectedLengths.push(result.pair.lengths[1]);
    }
    if (example.kind === 'question') unanswered = (unanswered ?? 0) + (example.answers.length === 0 ? 1 : 0);
    if (example.kind === 'labelled') labels.push(example.labels);
    if (example.kind === 'tagged') labels.push(...Array.from(example.tags, (tag) => Float32Array.of(tag)));
    unknownTokens += countUnknown(result.rows, options.tokenizer);
    const hash = rowsHash(result.rows);
    if (seen.has(hash)) {
      duplicates += 1;
      if (duplicateExamples.length < mostListed) duplicateExamples.push(rowLabel(source));
    }
    seen.add(hash);
    if (shown === null && !result.masked) {
      const row = result.rows[0] as Row;
      const rejected = row.rejected && weightedText(row.rejected, options.tokenizer);
      const spans = weightedText(row, options.tokenizer);
      shown = { source: rowLabel(source), spans, ...(rejected && { rejected }), ...besideText(example) };
    }
  };

  try {
    for await (const { value, row } of readRows(file, fileStart, options)) {
      try {
        check(value, row);
      } catch (error) {
        refuse(error);
      }
    }
  } catch (error) {
    // What breaks the reading itself (a cut-off file, a line that is not JSON) ends the check, with what was found so far.
    refuse(error);
  }
  return {
    file,
    format: format.name,
    report: tally.report(),
    lengths: lengthHistogram(lengths),
    pairLengths:
      chosenLengths.length === 0
        ? null
        : { chosen: lengthHistogram(chosenLengths), rejected: lengthHistogram(rejectedLengths) },
    unknownTokens,
    invalid,
    errors,
    duplicates,
    duplicateExamples,
    unanswered,
    labels: options.labels === undefined ? null : labelHistogram(options.labels, labels),
    example: shown,
  };
}

function besideText(example: Example): Pick<NonNullable<DataCheck['example']>, 'compared' | 'score' | 'answers'> {
  if (example.kind === 'question') return { answers: example.answers.map(({ text }) => text) };
  if (example.kind !== 'compared') return {};
  const { texts, score } = example;
  return { compared: texts.slice(1), ...(score === undefined ? {} : { score }) };
}

/** Some tokenizers name their eos as unk too, and then cannot tell. */
function countUnknown(rows: readonly Row[], { unkId, eosId }: Tokenizer): number {
  if (unkId === null || unkId === eosId) return 0;
  const count = (tokens: Int32Array = new Int32Array()): number => tokens.filter((id) => id === unkId).length;
  return rows.reduce((sum, { tokens, source, compared = [] }) => {
    return sum + count(tokens) + count(source) + compared.reduce((more, text) => more + count(text.tokens), 0);
  }, 0);
}

/** 48 bits of SHA-1 over the tokens: a false duplicate is unlikely below ten million examples. */
function rowsHash(rows: readonly Row[]): number {
  const hash = createHash('sha1');
  for (const { tokens, rejected, source, compared = [] } of rows) {
    if (source !== undefined) hash.update(source);
    hash.update(tokens);
    if (rejected !== undefined) hash.update(rejected.tokens);
    for (const text of compared) hash.update('compared').update(text.tokens);
  }
  return hash.digest().readUIntBE(0, 6);
}
