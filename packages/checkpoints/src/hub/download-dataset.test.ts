import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { downloadDataset } from './download-dataset.js';

const commit = '0123456789abcdef0123456789abcdef01234567';
const name = 'some/rows';
const files: Record<string, Buffer> = {
  'README.md': Buffer.from('# rows'),
  'data/train.jsonl': Buffer.from('{"text":"a"}\n'),
  'data/test.jsonl': Buffer.from('{"text":"b"}\n'),
};
const gitSha1 = (bytes: Uint8Array) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

let asked: string[];
let server: Server;
let home: string;
let cacheDir: string;
const endpoint = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** The Hub's answers for a data set. */
function answer(path: string): object | Buffer | undefined {
  if (path === `/api/datasets/${name}/revision/main`) {
    return { _id: '1', id: name, sha: commit, lastModified: '2026-01-01T00:00:00.000Z' };
  }
  if (path === `/api/datasets/${name}/tree/${commit}`) {
    return Object.entries(files).map(([file, content]) => ({
      ...{ type: 'file', path: file, size: content.length, oid: gitSha1(content) },
    }));
  }
  return files[path.replace(`/datasets/${name}/resolve/${commit}/`, '')];
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'hub-data-'));
  server = createServer((request, response) => {
    const path = (request.url as string).split('?')[0] as string;
    asked.push(path);
    const found = answer(path);
    const body = found === undefined || found instanceof Buffer ? (found ?? '{}') : JSON.stringify(found);
    const type = found instanceof Buffer ? 'application/octet-stream' : 'application/json';
    response.writeHead(found === undefined ? 404 : 200, { 'Content-Type': type }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
});
afterAll(async () => {
  server.close();
  await rm(home, { recursive: true });
});
beforeEach(async () => {
  cacheDir = await mkdtemp(join(home, 'cache-'));
  asked = [];
});

it('fetches the files that are asked for into the layout that Python shares, once', async () => {
  const wanted = ['data/train.jsonl', 'data/test.jsonl'];
  const first = await downloadDataset(name, wanted, { cacheDir, endpoint: endpoint() });
  expect(first).toEqual({ path: join(cacheDir, 'datasets--some--rows/snapshots', commit), commit });
  for (const file of wanted) expect(await readFile(join(first.path, file))).toEqual(files[file]);
  expect(asked.some((path) => path.endsWith('README.md'))).toBe(false);

  asked = [];
  expect(await downloadDataset(name, wanted, { cacheDir, endpoint: endpoint() })).toEqual(first);
  expect(asked.every((path) => path.startsWith('/api/'))).toBe(true);
  asked = [];
  const pinned = { cacheDir, endpoint: endpoint(), revision: commit };
  expect(await downloadDataset(name, wanted, pinned)).toEqual(first);
  expect(asked).toEqual([]);
  // Without a connection, what is there is used, and nothing else is.
  const nowhere = { cacheDir, endpoint: 'http://127.0.0.1:9' };
  expect(await downloadDataset(name, wanted, nowhere)).toEqual(first);
  await expect(downloadDataset(name, ['README.md'], nowhere)).rejects.toThrow(
    /NETWORK at http:\/\/127.0.0.1:9\/datasets\/some\/rows: the Hub cannot/,
  );
});

it('says what is not there', async () => {
  const options = { cacheDir, endpoint: endpoint() };
  await expect(downloadDataset('some/others', ['a'], options)).rejects.toThrow(
    /NAME_UNKNOWN at .*datasets\/some\/others: the Hub has no such data set/,
  );
  await expect(downloadDataset(name, ['data/dev.jsonl'], options)).rejects.toThrow(
    /FILE_MISSING at .*datasets\/some\/rows: the repository has no data\/dev.jsonl/,
  );
  await expect(downloadDataset(name, ['../out'], options)).rejects.toThrow('CONFIG_INVALID');
});
