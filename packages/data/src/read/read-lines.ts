import { createReadStream } from 'node:fs';
import { TunesmithError } from '@tunesmith/core';
import { type FilePosition, type FileReader, fileStart } from './file-row.js';

export interface Line {
  /** Without its line break. */
  readonly text: string;
  /** Counted from 1. */
  readonly number: number;
  /** Byte at which the next line starts. */
  readonly nextByte: number;
}

const lineFeed = 0x0a;

/**
 * The lines of a UTF-8 file, from a position. The stream is split at the byte of the line feed, which occurs in no other
 * character, before it is decoded, so that no character is ever cut; a byte order mark and carriage returns are dropped.
 */
async function* readLines(file: string, { byte = 0, line = 1 }: FilePosition = fileStart): AsyncGenerator<Line> {
  let number = line;
  let nextByte = byte;
  let pieces: Buffer[] = [];
  const take = (piece: Buffer, lineBreak: number): Line => {
    const bytes = pieces.length === 0 ? piece : Buffer.concat([...pieces, piece]);
    pieces = [];
    nextByte += bytes.length + lineBreak;
    const text = decodeLine(bytes, file, number);
    return { text: text.endsWith('\r') ? text.slice(0, -1) : text, number: number++, nextByte };
  };

  for await (const chunk of createReadStream(file, { start: byte, highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      yield take(chunk.subarray(start, end), 1);
      start = end + 1;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  }
  if (pieces.length > 0) yield take(Buffer.alloc(0), 0);
}

/** One row a line, blank lines left out: JSON Lines. */
export const readJsonLines: FileReader = async function* (file, from) {
  let { rows } = from;
  for await (const { text, number, nextByte } of readLines(file, from)) {
    if (text.trim() === '') continue;
    yield {
      value: parseObject(text, file, number),
      row: number,
      next: { rows: ++rows, byte: nextByte, line: number + 1 },
    };
  }
};

/** Plain text: a row `{ text }` for each paragraph, line or document. */
export const readText: FileReader = async function* (file, from, { textUnit = 'paragraph' }) {
  let { rows } = from;
  let held: string[] = [];
  let first = 0;
  let next: FilePosition = from;
  const row = () => ({ value: { text: held.join('\n') }, row: first, next: { ...next, rows: ++rows } });

  for await (const { text, number, nextByte } of readLines(file, from)) {
    const blank = text.trim() === '';
    next = { rows, byte: nextByte, line: number + 1 };
    if (!blank || (textUnit === 'document' && held.length > 0)) {
      if (held.length === 0) first = number;
      held.push(text);
    }
    if (held.length > 0 && (textUnit === 'line' || (textUnit === 'paragraph' && blank))) {
      yield row();
      held = [];
    }
  }
  if (held.length > 0) yield row();
};

/** The object that a JSON text stands for; an error names the file and the row. */
export function parseObject(text: string, file: string, row: number): { readonly [key: string]: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TunesmithError('DATA_INVALID', `not JSON: ${(error as Error).message}`, {
      where: `${file}:${row}`,
      got: text.length > 60 ? `${text.slice(0, 60)}…` : text,
      cause: error,
    });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as { readonly [key: string]: unknown };
  }
  throw new TunesmithError('DATA_INVALID', 'a row must be a JSON object', {
    where: `${file}:${row}`,
    got: text.length > 60 ? `${text.slice(0, 60)}…` : text,
  });
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeLine(bytes: Buffer, file: string, line: number): string {
  try {
    const text = utf8.decode(bytes);
    return line === 1 && text.startsWith('\uFEFF') ? text.slice(1) : text;
  } catch (error) {
    throw notUtf8(`${file}:${line}`, error);
  }
}

export function notUtf8(where: string, cause: unknown): TunesmithError {
  return new TunesmithError('DATA_INVALID', 'the file is not UTF-8', {
    where,
    hint: 'Save it as UTF-8, for instance with iconv -f GB18030 -t UTF-8.',
    cause,
  });
}
