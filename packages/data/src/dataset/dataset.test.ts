import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Json, Row, RowSource } from '@tunesmith/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';
import { createDataset, type DatasetOptions } from './dataset.js';
import { streamRows } from './stream-rows.js';

const tokenizer = createTokenizer(byteLevelFiles());
let folder: string;
let file: string;
let options: DatasetOptions;

const examples = 60;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'dataset-'));
  file = path.join(folder, 'pairs.jsonl');
  const rows = Array.from({ length: examples }, (_, n) => ({
    prompt: `第${n}问:`,
    completion: '答'.repeat(1 + (n % 5)),
  }));
  await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
  options = { files: [file], cacheFolder: path.join(folder, 'cache'), tokenizer, template: null, maxLength: 64 };
});

async function take(source: RowSource, count: number, position: Json = null) {
  const taken: { row: Row; position: Json }[] = [];
  if (count === 0) return taken;
  for await (const read of source.read(position)) {
    taken.push(JSON.parse(JSON.stringify({ position: read.position, row: null })));
    taken[taken.length - 1]!.row = read.row;
    if (taken.length === count) break;
  }
  return taken;
}

async function collect<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const collected: Value[] = [];
  for await (const value of values) collected.push(value);
  return collected;
}

/** The numbers of the examples in rows, in their order. */
const numbers = (rows: readonly { row: Row }[]) =>
  rows.flatMap(({ row }) => [...tokenizer.decode(row.tokens).matchAll(/第(\d+)问/g)].map((match) => Number(match[1])));
const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
const sortedNames = (names: string[]) => [...names].sort();
const everyExample = Array.from({ length: examples }, (_, n) => n);

describe.each<[string, (changed?: Partial<DatasetOptions>) => Promise<RowSource>]>([
  ['createDataset', (changed) => createDataset({ ...options, ...changed })],
  ['createDataset with packing', (changed) => createDataset({ ...options, packing: true, ...changed })],
  ['streamRows', async (changed) => streamRows({ ...options, shuffleBuffer: 16, ...changed })],
])('%s', (_, open) => {
  const epochs = async (source: RowSource, count: number) => {
    const seen: number[] = [];
    for await (const { row } of source.read(null)) {
      seen.push(...numbers([{ row }]));
      if (seen.length >= count * examples) break;
    }
    return Array.from({ length: count }, (_, epoch) => seen.slice(epoch * examples, (epoch + 1) * examples));
  };

  it('takes every example once an epoch, each epoch in another order that seed and epoch decide', async () => {
    const [first, second] = await epochs(await open(), 2);
    expect(sorted(first!)).toEqual(everyExample);
    expect(sorted(second!)).toEqual(everyExample);
    expect(first).not.toEqual(second);
    expect(first).not.toEqual(everyExample);
    expect(await epochs(await open(), 2)).toEqual([first, second]);
    expect((await epochs(await open({ seed: 1 }), 1))[0]).not.toEqual(first);
  });

  it('goes on from the position of any row, across epochs', async () => {
    const source = await open();
    const all = await take(source, 80);
    for (const index of [0, 15, 16, 37, 59, 60, 79]) {
      const rest = await take(await open(), 79 - index, all[index]!.position);
      expect(rest).toEqual(all.slice(index + 1));
    }
  });
});

describe('createDataset', () => {
  it('reports what tokenising did, and counts rows', async () => {
    const dataset = await createDataset(options);
    expect(dataset.length).toBe(examples);
    const rows = await collect(dataset.rows());
    expect(numbers(rows.map((row) => ({ row })))).toEqual(everyExample);
    const tokens = rows.reduce((sum, row) => sum + row.tokens.length, 0);
    expect(dataset.report).toMatchObject({ examples, rows: examples, tokens, masked: 0, truncatedAnswers: 0 });
    expect([...rows[7]!.weights.slice(-4)]).toEqual([1, 1, 1, 1]);
  });

  it('tokenises once, and again when content, tokenizer or an option changes', async () => {
    expect((await createDataset(options)).cached).toBe(false);
    expect((await createDataset(options)).cached).toBe(true);
    expect((await createDataset({ ...options, seed: 3, packing: true })).cached).toBe(true);
    expect((await createDataset({ ...options, promptLossWeight: 0 })).cached).toBe(false);
    const other = createTokenizer({ ...byteLevelFiles(), tokenizerConfig: { eos_token: '<|im_end|>' } });
    expect((await createDataset({ ...options, tokenizer: other })).cached).toBe(false);
    await appendFile(file, '\n{"prompt": "第60问:", "completion": "新"}');
    const grown = await createDataset(options);
    expect(grown).toMatchObject({ cached: false, length: examples + 1 });
    const copy = path.join(folder, 'copy.jsonl');
    await writeFile(copy, await readFile(file));
    expect((await createDataset({ ...options, files: [copy] })).cached).toBe(true);
  });

  it('makes one cache where many want it at once, beside a damaged one', async () => {
    await createDataset(options);
    const [key] = (await readdir(options.cacheFolder)).filter((entry) => entry !== 'files');
    for (let round = 0; round < 8; round++) {
      await writeFile(path.join(options.cacheFolder, key as string, 'meta.json'), '{');
      const opened = await Promise.all(Array.from({ length: 12 }, () => createDataset(options)));
      for (const { rows } of opened) {
        let count = 0;
        for await (const _ of rows()) count += 1;
        expect(count).toBe(opened[0]?.length);
      }
      expect(sortedNames(await readdir(options.cacheFolder))).toEqual(sortedNames([key as string, 'files']));
    }
  });

  it.each(['rows.bin', 'index.bin', 'meta.json'])('makes the cache anew when %s is damaged', async (name) => {
    const before = await collect((await createDataset(options)).rows());
    const [key] = (await readdir(options.cacheFolder)).filter((entry) => entry !== 'files');
    const damaged = path.join(options.cacheFolder, key!, name);
    const bytes = await readFile(damaged);
    bytes[bytes.length >> 1]! ^= 4;
    await writeFile(damaged, bytes);
    const mended = await createDataset(options);
    expect(mended.cached).toBe(false);
    expect(await collect(mended.rows())).toEqual(before);
    expect((await createDataset(options)).cached).toBe(true);
  });

  it('leaves nothing behind when it fails or is stopped', async () => {
    const bad = path.join(folder, 'bad.jsonl');
    await writeFile(bad, '{"text": "a"}\n{"text": 1}\n');
    await expect(createDataset({ ...options, files: [bad] })).rejects.toThrow(
      /DATA_INVALID at .*bad\.jsonl:2, column text/,
    );
    await expect(createDataset({ ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await readdir(options.cacheFolder)).toEqual(['files']);
  });

  it('clears away what a killed build left behind, and only that', async () => {
    await createDataset(options);
    const [key] = (await readdir(options.cacheFolder)).filter((entry) => entry !== 'files');
    const abandoned = `${key}.999999999-1.tmp`;
    const running = `${key}.${process.pid}-1.tmp`;
    for (const name of [abandoned, running]) await mkdir(path.join(options.cacheFolder, name));
    await rm(path.join(options.cacheFolder, key!), { recursive: true });
    await createDataset(options);
    expect(sortedNames(await readdir(options.cacheFolder))).toEqual(sortedNames([key!, running, 'files']));
  });

  it('survives being opened twice at once', async () => {
    const [one, two] = await Promise.all([createDataset(options), createDataset(options)]);
    expect(await collect(one.rows())).toEqual(await collect(two.rows()));
    expect((await createDataset(options)).cached).toBe(true);
  });

  it('splits off an exact part of the examples, the same for a seed', async () => {
    const open = async (seed: number) => (await createDataset({ ...options, seed })).split(0.1);
    const { train, validation } = await open(1);
    const held = numbers((await collect(validation.rows())).map((row) => ({ row })));
    const kept = numbers((await collect(train.rows())).map((row) => ({ row })));
    expect(held).toHaveLength(6);
    expect(sorted([...held, ...kept])).toEqual(everyExample);
    expect(numbers((await collect((await open(1)).validation.rows())).map((row) => ({ row })))).toEqual(held);
    expect(numbers((await collect((await open(2)).validation.rows())).map((row) => ({ row })))).not.toEqual(held);
    expect(sorted(numbers(await take(train, 54)))).toEqual(sorted(kept));
    const { position } = (await take(train, 1))[0]!;
    await expect(take(validation, 1, position)).rejects.toThrow(/DATA_INVALID at .*the position belongs to other data/);
    expect((await createDataset(options)).split(0.001).validation.length).toBe(1);
    const whole = await createDataset(options);
    expect(() => whole.split(1)).toThrow(/CONFIG_INVALID.*got 1 of 60/);
  });

  it('keeps the rows of one long text on one side of a split', async () => {
    const stories = path.join(folder, 'stories.txt');
    await writeFile(stories, Array.from({ length: 20 }, (_, n) => `${n}#`.repeat(80)).join('\n\n'));
    const { train, validation } = (await createDataset({ ...options, files: [stories] })).split(0.2);
    const storiesIn = async (rows: AsyncIterable<Row>) =>
      new Set((await collect(rows)).map(({ tokens }) => /#(\d+)#/.exec(tokenizer.decode(tokens))?.[1]));
    const [left, right] = [await storiesIn(train.rows()), await storiesIn(validation.rows())];
    expect([left.size, right.size]).toEqual([16, 4]);
    expect([...left].filter((story) => right.has(story))).toEqual([]);
  });

  it('packs rows without changing them', async () => {
    const packed = await createDataset({ ...options, packing: true });
    const rows = await collect(packed.rows());
    expect(rows.length).toBeLessThan(examples / 2);
    expect(Math.max(...rows.map(({ tokens }) => tokens.length))).toBeLessThanOrEqual(64);
    expect(numbers(await take(packed, packed.length)).length).toBe(examples);
    const parts = rows.flatMap(({ tokens, weights, segments }) =>
      [...new Set(segments)].map((segment) => {
        const inside = (_: number, at: number) => segments![at] === segment;
        return JSON.stringify([[...tokens].filter(inside), [...weights].filter(inside)]);
      }),
    );
    const single = await collect((await createDataset(options)).rows());
    expect(parts.sort()).toEqual(
      single.map(({ tokens, weights }) => JSON.stringify([[...tokens], [...weights]])).sort(),
    );
  });

  it('refuses data of which too much has no answer', async () => {
    const chats = path.join(folder, 'chats.jsonl');
    const chat = (weight: number) => ({
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b', weight },
      ],
    });
    await writeFile(chats, [1, 0, 1, 1, 1].map((weight) => JSON.stringify(chat(weight))).join('\n'));
    const template = {
      name: 'plain',
      source: '',
      render: (messages: readonly { content: string }[]) => messages.map(({ content }) => content).join(''),
    };
    const masked = { ...options, files: [chats], template };
    await expect(createDataset(masked)).rejects.toThrow(
      /DATA_INVALID at .*chats\.jsonl:2: too many.*at most 10 %.*got 1 of 5/,
    );
    const dataset = await createDataset({ ...masked, maxMaskedFraction: 0.2 });
    expect(dataset.report).toMatchObject({ examples: 5, masked: 1, rows: 4 });
    expect(dataset.length).toBe(4);
    await expect(take(streamRows(masked), 9)).rejects.toThrow(/got 1 of 5/);
  });
});
