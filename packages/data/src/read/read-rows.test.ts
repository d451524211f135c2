import { mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { beforeAll, describe, expect, it } from 'vitest';
import type { FileRow, ReadOptions } from './file-row.js';
import { readRows } from './read-rows.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'read-'));
});

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, content);
  return file;
}

async function all(file: string, from?: FileRow['next'], options?: ReadOptions): Promise<FileRow[]> {
  const rows: FileRow[] = [];
  for await (const row of readRows(file, from, options)) rows.push(row);
  return rows;
}

const values = async (file: string, options?: ReadOptions) =>
  (await all(file, undefined, options)).map(({ value }) => value);

// Long enough that characters of 3 and 4 bytes fall on every kind of stream border.
const chinese = Array.from({ length: 9000 }, (_, index) => ({
  text: `${'猫🙂'.repeat(index % 7)}第${index}行`,
  n: index,
}));
const parquet = () =>
  new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'text', data: chinese.map(({ text }) => text), type: 'STRING' },
        { name: 'n', data: chinese.map(({ n }) => BigInt(n)), type: 'INT64' },
      ],
      rowGroupSize: 1000,
    }),
  );
const csv = `text,n\r\n${chinese.map(({ text, n }) => `"${text}",${n}`).join('\r\n')}\r\n`;

describe.each<[string, () => string | Uint8Array, (n: number) => unknown]>([
  ['rows.jsonl', () => `\uFEFF${chinese.map((row) => JSON.stringify(row)).join('\r\n')}`, Number],
  ['rows.json', () => `\uFEFF${JSON.stringify(chinese, null, 1)}\n`, Number],
  ['lines.json', () => chinese.map((row) => JSON.stringify(row)).join('\n'), Number],
  ['rows.csv', () => `\uFEFF${csv}`, String],
  ['rows.tsv', () => csv.replaceAll(',', '\t'), String],
  ['rows.parquet', parquet, Number],
])('%s', (name, content, cell) => {
  it('yields every row whole, and goes on from any of its positions', async () => {
    const file = await write(name, content());
    const rows = await all(file);
    expect(rows.map(({ value }) => value)).toEqual(chinese.map(({ text, n }) => ({ text, n: cell(n) })));
    for (const index of [0, 4321, 8999]) {
      const rest = await all(file, JSON.parse(JSON.stringify(rows[index]!.next)));
      expect(rest).toEqual(rows.slice(index + 1));
    }
  });
});

describe('plain text', () => {
  const text = '\uFEFF从前\r\n有猫\r\n\r\n\r\nSecond.\n\n  \nThird\n';

  it('is paragraphs, lines or one document', async () => {
    const file = await write('story.txt', text);
    const rows = await all(file);
    expect(rows.map(({ value, row }) => [row, value.text])).toEqual([
      [1, '从前\n有猫'],
      [5, 'Second.'],
      [8, 'Third'],
    ]);
    expect(await all(file, rows[0]!.next)).toEqual(rows.slice(1));
    expect((await values(file, { textUnit: 'line' })).map((row) => row.text)).toEqual([
      '从前',
      '有猫',
      'Second.',
      'Third',
    ]);
    expect(await values(file, { textUnit: 'document' })).toEqual([{ text: '从前\n有猫\n\n\nSecond.\n\n  \nThird' }]);
  });
});

describe('numbers rows as people find them', () => {
  it('by line in JSONL and CSV, by place in JSON', async () => {
    const jsonl = await all(await write('blank.jsonl', '{"a":1}\n\n{"a":2}\n'));
    expect(jsonl.map(({ row }) => row)).toEqual([1, 3]);
    const cells = await all(await write('cells.csv', 'a,b\n1,"two\nlines"\n3,4\n'));
    expect(cells.map(({ row, value }) => [row, value])).toEqual([
      [2, { a: '1', b: 'two\nlines' }],
      [4, { a: '3', b: '4' }],
    ]);
    const json = await all(await write('nested.json', '[{"a": ["]", {"b": "},\\"{"}]}, {"a": []}]'));
    expect(json.map(({ row, value }) => [row, value])).toEqual([
      [1, { a: [']', { b: '},"{' }] }],
      [2, { a: [] }],
    ]);
    expect(await all(await write('empty.json', ' [ ] '))).toEqual([]);
  });
});

describe('an error says where', () => {
  const gb18030 = new Uint8Array([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xc3, 0xa8, 0xc4, 0xe3, 0x22, 0x7d]);
  it.each<[string, string | Uint8Array, RegExp]>([
    ['broken.jsonl', '{"a":1}\n{"a":\n', /DATA_INVALID at .*broken\.jsonl:2: not JSON/],
    ['list.jsonl', '[1]\n', /list\.jsonl:1: a row must be a JSON object; got \[1\]/],
    ['broken.json', '[{"a":1},{"a":x}]', /broken\.json:2: not JSON/],
    ['hole.json', '[{"a":1},,{"a":2}]', /hole\.json:2: not JSON/],
    ['trailing.json', '[{"a":1},]', /trailing\.json:2: not JSON/],
    ['text.json', 'hello', /text\.json: the file is not a list of rows.*got hello/],
    ['cut.json', '[{"a":1},{"a":', /cut\.json: .*breaks off in row 2/],
    ['more.json', '[{"a":1}] x', /more\.json: .*x after the array/],
    ['none.json', '', /none\.json: .*got nothing/],
    ['short.csv', 'a,b\n1,2\n3\n', /short\.csv:3: not valid CSV/],
    ['quote.csv', 'a,b\n1,"2\n', /quote\.csv:\d+: not valid CSV/],
    ['gb.jsonl', gb18030, /gb\.jsonl:1: the file is not UTF-8.*iconv/],
    ['gb.json', gb18030.map((byte, index) => (index === 0 ? 0x5b : byte)), /gb\.json: the file is not UTF-8/],
    ['gb.csv', gb18030, /gb\.csv: the file is not UTF-8/],
    ['no.parquet', 'PAR1', /DATA_INVALID at .*no\.parquet: not a readable Parquet file/],
    ['rows.xlsx', '', /rows\.xlsx: .*expected \.json, .*got \.xlsx/],
  ])('%s', async (name, content, message) => {
    await expect(all(await write(name, content))).rejects.toThrow(message);
  });

  it('for a file that is not there, or a folder', async () => {
    await expect(all(path.join(folder, 'missing.jsonl'))).rejects.toThrow(/FILE_MISSING at .*missing\.jsonl/);
  });
});
