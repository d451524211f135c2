import type { JsonObject } from '../tokenizer/tokenizer-files.js';

/** A place between two rows of a file, as plain JSON: reading goes on from it. */
export interface FilePosition {
  /** Rows already read. */
  readonly rows: number;
  /** Where the next row starts, in bytes and lines, for the files that can be entered there (JSONL and text). */
  readonly byte?: number;
  readonly line?: number;
}

export interface FileRow {
  readonly value: JsonObject;
  /** Line of a JSONL, CSV or text file, place in a JSON or Parquet file; from 1. */
  readonly row: number;
  /** The position behind this row. */
  readonly next: FilePosition;
}

/** Reads a file row by row in bounded memory, from a position that it gave before. */
export type FileReader = (file: string, from: FilePosition, options: ReadOptions) => AsyncGenerator<FileRow>;

export interface ReadOptions {
  /** What one example of a plain text file is; a paragraph ends at a blank line. */
  readonly textUnit?: 'paragraph' | 'line' | 'document';
  /** The columns' names of a CSV or TSV file that has no line of them. */
  readonly header?: readonly string[];
}

export const fileStart: FilePosition = { rows: 0 };
