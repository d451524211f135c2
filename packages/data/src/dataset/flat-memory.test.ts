import { mkdtemp, open, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import { readRows } from '../read/read-rows.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';
import { createDataset } from './dataset.js';
import { streamRows } from './stream-rows.js';

const options = { tokenizer: createTokenizer(byteLevelFiles()), template: null, maxLength: 1024 };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'flat-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file of this many rows of 2 kB. */
async function write(name: string, rows: number, line: (text: string, index: number) => string): Promise<string> {
  const file = path.join(folder, name);
  const handle = await open(file, 'w');
  for (let index = 0; index < rows; index += 100) {
    const lines = Array.from({ length: Math.min(100, rows - index) }, (_, offset) =>
      line(`${index + offset} ${'the ring and '.repeat(153)}`, index + offset),
    );
    await handle.write(lines.join(''));
  }
  await handle.close();
  return file;
}
const jsonLine = (text: string): string => `${JSON.stringify({ text })}\n`;

/** The most megabytes that are alive at a time, by the samples that are taken while something runs, beyond those before it. */
async function mostAlive(work: (sample: () => void) => Promise<void>): Promise<number> {
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc') as () => void;
  const alive = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 2 ** 20;
  };
  const before = alive();
  let most = before;
  const sample = (): void => {
    most = Math.max(most, alive());
  };
  await work(sample);
  sample();
  return most - before;
}

// What is held to a limit is memory: on a busy machine the time goes into collecting garbage at each sample.
describe('a file that is larger than what may be in memory', { timeout: 300_000 }, () => {
  it.each<[string, (text: string, index: number) => string]>([
    ['rows.jsonl', jsonLine],
    [
      'rows.json',
      (text, index) => `${index === 0 ? '[' : ','}${JSON.stringify({ text })}${index === 15_999 ? ']' : ''}`,
    ],
    ['rows.csv', (text, index) => `${index === 0 ? 'text\n' : ''}"${text}"\n`],
  ])('is read row by row: %s, of 32 MB', async (name, line) => {
    const file = await write(name, 16_000, line);
    let rows = 0;
    const most = await mostAlive(async (sample) => {
      for await (const _ of readRows(file)) if (rows++ % 1000 === 999) sample();
    });
    expect(rows).toBe(16_000);
    expect(most).toBeLessThan(8);
  });

  // The tokens and weights of 1,500 rows would be 13 MB.
  it('is tokenised, cached and read again', async () => {
    const file = await write('cached.jsonl', 1500, jsonLine);
    let rows = 0;
    let tokens = 0;
    const most = await mostAlive(async (sample) => {
      const dataset = await createDataset({
        ...options,
        ...{ files: [file], cacheFolder: path.join(folder, 'cache'), onProgress: sample },
      });
      for await (const { row } of dataset.read(null)) {
        tokens += row.tokens.length;
        if (++rows % 500 === 0) sample();
        if (rows === dataset.length) break;
      }
    });
    expect(8 * tokens).toBeGreaterThan(12 * 2 ** 20);
    expect(most).toBeLessThan(8);
  });

  it('is streamed with a buffer of few rows', async () => {
    const files = [await write('streamed.jsonl', 1500, jsonLine)];
    let tokens = 0;
    let rows = 0;
    const most = await mostAlive(async (sample) => {
      for await (const { row } of streamRows({ ...options, files, shuffleBuffer: 64 }).read(null)) {
        tokens += row.tokens.length;
        if (++rows % 500 === 0) sample();
        if (8 * tokens > 12 * 2 ** 20) break;
      }
    });
    expect(most).toBeLessThan(8);
  });
});
