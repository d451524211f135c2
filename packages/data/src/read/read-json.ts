import { createReadStream } from 'node:fs';
import { TunesmithError } from '@tunesmith/core';
import type { FileReader } from './file-row.js';
import { notUtf8, parseObject, readJsonLines } from './read-lines.js';

/**
 * The elements of a JSON array, one in memory at a time; a file that begins with an object is read as JSON Lines, which
 * many data sets store under this name.
 */
export const readJson: FileReader = async function* (file, from, options) {
  if (from.byte !== undefined) return yield* readJsonLines(file, from, options);
  let row = 0;
  for await (const element of arrayElements(file)) {
    if (element === jsonLines) return yield* readJsonLines(file, from, options);
    row += 1;
    if (row > from.rows) yield { value: parseObject(element, file, row), row, next: { rows: row } };
  }
};

const jsonLines = Symbol('JSON Lines');

/** The texts of a top-level array's elements: commas and the closing bracket count outside of strings at depth 0 only. */
async function* arrayElements(file: string): AsyncGenerator<string | typeof jsonLines> {
  let opened = false;
  let closed = false;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let element = '';
  let count = 0;

  for await (const chunk of decodedChunks(file)) {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const character = chunk.charCodeAt(at);
      if (inString) {
        if (escaped) escaped = false;
        else if (character === backslash) escaped = true;
        else if (character === quote) inString = false;
        continue;
      }
      if (isSpace(character)) continue;
      if (!opened) {
        if (character === openBrace) {
          yield jsonLines;
          return;
        }
        if (character !== openBracket) throw notAnArray(file, chunk.slice(at, at + 20));
        opened = true;
        start = at + 1;
      } else if (closed) {
        throw notAnArray(file, `${chunk.slice(at, at + 20)} after the array`);
      } else if (depth === 0 && (character === comma || character === closeBracket)) {
        element += chunk.slice(start, at);
        start = at + 1;
        closed = character === closeBracket;
        if (!closed || count > 0 || element.trim() !== '') yield element;
        element = '';
        count += 1;
      } else if (character === quote) inString = true;
      else if (character === openBrace || character === openBracket) depth += 1;
      else if (character === closeBrace || character === closeBracket) depth -= 1;
    }
    if (opened && !closed) element += chunk.slice(start);
  }
  if (!closed) throw notAnArray(file, opened ? `an array that breaks off in row ${count + 1}` : 'nothing');
}

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

function isSpace(character: number): boolean {
  return character === 0x20 || character === 0x0a || character === 0x0d || character === 0x09;
}

async function* decodedChunks(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (bytes?: Uint8Array) => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch (error) {
      throw notUtf8(file, error);
    }
  };
  for await (const bytes of createReadStream(file, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>)
    yield decode(bytes);
  yield decode();
}

function notAnArray(file: string, got: string): TunesmithError {
  return new TunesmithError('DATA_INVALID', 'the file is not a list of rows', {
    where: file,
    expected: 'a JSON array of objects, or one object a line',
    got,
  });
}
