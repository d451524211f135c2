import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hubTasks } from './hub-tasks.js';
import { prepareTask } from './prepare-task.js';
import type { TaskDefinition, TaskRow } from './task.js';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'hub-tasks-'));
});
afterAll(() => rm(home, { recursive: true }));

const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const count = <Row>(length: number, make: (index: number) => Row): Row[] =>
  Array.from({ length }, (_, index) => make(index));
const named = (name: string) => hubTasks.find((task) => task.name === name) as TaskDefinition;

/** The rows of a task's splits, from a folder with these files. */
async function splitsOf(
  name: string,
  files: Readonly<Record<string, string>>,
  options: { readonly shuffled?: true } = {},
) {
  const path = await mkdtemp(join(home, 'data-'));
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(path, file, '..'), { recursive: true });
    await writeFile(join(path, file), text);
  }
  return read(await prepareTask(named(name), { cacheFolder: join(home, 'cache'), path, ...options }));
}

async function read(task: Awaited<ReturnType<typeof prepareTask>>) {
  const rows = async (file: string): Promise<TaskRow[]> =>
    (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  return { train: await rows(task.train), validation: await rows(task.validation), test: await rows(task.test) };
}

it('sst2 is tested on what its authors call validation, and holds rows of its own out', async () => {
  const sentence = (index: number): string => `film ${index} \t${index % 2}\n`;
  const { train, validation, test } = await splitsOf('sst2', {
    'train.tsv': count(600, sentence).join(''),
    'dev.tsv': `sentence\tlabel\n${sentence(0)}${sentence(1)}`,
  });
  expect(test).toEqual([
    { text: 'film 0', label: 'negative' },
    { text: 'film 1', label: 'positive' },
  ]);
  expect([train.length, validation.length]).toEqual([100, 500]);
  expect(new Set([...train, ...validation].map(({ text }) => text)).size).toBe(600);
});

const problem = (index: number) => ({
  question: `What is ${index} + 1?`,
  answer: `It is one more.\n#### ${index + 1}`,
});

it('gsm8k has the template of PEFT’s comparison', async () => {
  const { train, validation, test } = await splitsOf('gsm8k', {
    'train.jsonl': lines(count(60, problem)),
    'test.jsonl': lines([problem(7)]),
  });
  expect(test).toEqual([
    { prompt: 'Question: What is 7 + 1? Think step by step.\nAnswer:', completion: ' It is one more.\n#### 8' },
  ]);
  expect([train.length, validation.length]).toEqual([10, 50]);
});

it('metamath-gsm8k trains on MetaMathQA, without what is long, and validates on GSM8K', async () => {
  const { train, validation, test } = await splitsOf('metamath-gsm8k', {
    'MetaMathQA-395K.json': JSON.stringify([
      { query: 'q', response: 'The answer is: 1' },
      { query: 'q', response: 'r'.repeat(1299) },
    ]),
    'main/train.jsonl': '',
    'train.jsonl': lines(count(60, problem)),
    'test.jsonl': lines([problem(7)]),
  });
  expect(train).toEqual([{ prompt: 'Question: q Think step by step.\nAnswer:', completion: ' The answer is: 1' }]);
  expect([validation.length, test.length]).toEqual([50, 1]);
});

it('alpaca keeps instruction, input and output, which its control exchanges', async () => {
  const instruction = (index: number) => ({
    instruction: `i${index}`,
    input: index % 2 ? 'x' : '',
    output: `o${index}`,
  });
  const files = { 'train.json': JSON.stringify(count(450, instruction)) };
  const { train, validation, test } = await splitsOf('alpaca', files);
  expect([train.length, validation.length, test.length]).toEqual([50, 100, 300]);
  for (const row of [...train, ...test]) expect(row).toEqual(instruction(Number(String(row.instruction).slice(1))));
  const control = await splitsOf('alpaca', files, { shuffled: true });
  expect(control.test).toEqual(test);
  expect(control.train.map((row) => row.instruction)).toEqual(train.map((row) => row.instruction));
  const kept = control.train.filter((row) => String(row.output).slice(1) === String(row.instruction).slice(1));
  expect(kept.length).toBeLessThan(10);
});

it('helpful-answers is downloaded and unpacked', async () => {
  const pair = (index: number) => ({ chosen: `\n\nHuman: ${index}\n\nAssistant: yes`, rejected: '\n\nHuman: no' });
  const files: Record<string, Buffer> = {
    'helpful-base/train.jsonl.gz': gzipSync(lines(count(120, pair))),
    'helpful-base/test.jsonl.gz': gzipSync(lines(count(3, pair))),
  };
  const commit = 'a'.repeat(40);
  const server = createServer((request, response) => {
    const path = (request.url as string).split('?')[0] as string;
    const content = files[path.replace(`/datasets/Anthropic/hh-rlhf/resolve/${commit}/`, '')];
    const listed = Object.entries(files).map(([file, bytes]) => {
      const oid = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
      return { type: 'file', path: file, size: bytes.length, oid };
    });
    const info = { _id: '1', id: 'Anthropic/hh-rlhf', sha: commit, lastModified: '2026-01-01T00:00:00.000Z' };
    response.end(content ?? JSON.stringify(path.includes('/tree/') ? listed : info));
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  try {
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const options = { cacheFolder: join(home, 'cache'), hub: { cacheDir: join(home, 'hub'), endpoint } };
    const { train, validation, test } = await read(await prepareTask(named('helpful-answers'), options));
    expect([train.length, validation.length, test.length]).toEqual([20, 100, 3]);
    expect(test).toContainEqual(pair(2));
  } finally {
    server.close();
  }
});

it('says what a folder lacks, and where data could come from', async () => {
  await expect(splitsOf('sst2', { 'train.tsv': 'a\t1\n' })).rejects.toThrow(
    /FILE_MISSING at .*: the folder has no rows for dev; expected data\/validation-00000-of-00001.parquet, dev.jsonl/,
  );
  await expect(prepareTask(named('alpaca'), { cacheFolder: home })).rejects.toThrow(
    /CAPABILITY_MISSING at yahma\/alpaca-cleaned: data sets are not downloaded here/,
  );
});
