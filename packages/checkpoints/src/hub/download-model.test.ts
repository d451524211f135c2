import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryTensor, readFloat32, type StoredTensor } from '@tunesmith/core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openModelFolder } from '../model-folder/open-model-folder.js';
import { streamSafetensors } from '../safetensors/write-safetensors.js';
import { type DownloadProgress, downloadModel } from './download-model.js';
import { connectHub } from './hub-connection.js';

/** How long the downloader meant to wait, in milliseconds; it goes on at once. */
const waits = vi.hoisted((): number[] => []);
vi.mock('node:timers/promises', () => ({ setTimeout: async (milliseconds: number) => void waits.push(milliseconds) }));

const commit = '0123456789abcdef0123456789abcdef01234567';
const name = 'tiny/model';
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const gitSha1 = (bytes: Uint8Array) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

async function safetensors(...tensors: StoredTensor[]): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  await streamSafetensors(async (bytes) => void parts.push(Buffer.from(bytes)), tensors);
  return Buffer.concat(parts);
}
const numbers = Float32Array.from({ length: 100_000 }, (_, i) => i / 7);
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** What the servers hold, how they are to misbehave, and what they were asked. */
let files: Record<string, Buffer>;
let faults: { cutAfter: number[]; corrupt: boolean; ignoresRanges: boolean; status: number | undefined };
let asked: { path: string; range: string | undefined; authorization: string | undefined; server: 'hub' | 'store' }[];

const isLarge = (file: string) => file.endsWith('.safetensors') || file.endsWith('.bin');

/** The Hub: model info, file lists in pages of two, small files itself, large ones by redirect to the store. */
function answerAsHub(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url as string, endpoint());
  note('hub', request);
  const file = decodeURIComponent(url.pathname.replace(`/${name}/resolve/${commit}/`, ''));
  const content = files[file];
  if (faults.status !== undefined) {
    reply(response, faults.status, json({ error: 'told to fail' }));
  } else if (['main', commit].some((revision) => url.pathname === `/api/models/${name}/revision/${revision}`)) {
    reply(response, 200, json({ _id: '1', id: name, sha: commit, lastModified: '2026-01-01T00:00:00.000Z' }));
  } else if (url.pathname === `/api/models/${name}/tree/${commit}`) {
    replyPage(response, url);
  } else if (content === undefined) {
    reply(response, 404, json({ error: 'Entry not found' }), { 'X-Error-Code': 'EntryNotFound' });
  } else if (!isLarge(file)) {
    reply(response, 200, content, { ETag: `"${gitSha1(content)}"`, 'X-Repo-Commit': commit });
  } else {
    reply(response, 302, Buffer.of(), {
      Location: `http://localhost:${(store.address() as AddressInfo).port}/${file}`,
      'X-Repo-Commit': commit,
      'X-Linked-Etag': `"${sha256(content)}"`,
      'X-Linked-Size': String(content.length),
    });
  }
}

function replyPage(response: ServerResponse, url: URL): void {
  const entries = Object.entries(files).map(([path, content]) => ({
    type: 'file',
    path,
    size: content.length,
    oid: gitSha1(content),
    ...(isLarge(path) ? { lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } } : {}),
  }));
  const start = Number(url.searchParams.get('cursor') ?? 0);
  url.searchParams.set('cursor', String(start + 2));
  reply(
    response,
    200,
    json(entries.slice(start, start + 2)),
    start + 2 < entries.length ? { Link: `<${url}>; rel="next"` } : {},
  );
}

/** Where the large files lie: ranges, and connections that break. */
function answerAsStore(request: IncomingMessage, response: ServerResponse): void {
  note('store', request);
  const content = Buffer.from(files[(request.url as string).slice(1)] as Buffer);
  if (faults.corrupt) content[content.length - 9] = (content[content.length - 9] as number) ^ 1;
  const start = faults.ignoresRanges ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const part = content.subarray(start);
  const range = { 'Content-Range': `bytes ${start}-${content.length - 1}/${content.length}` };
  response.writeHead(start > 0 ? 206 : 200, { 'Content-Length': part.length, ...(start > 0 ? range : {}) });
  const cut = faults.cutAfter.shift();
  if (cut === undefined) response.end(part);
  else response.write(part.subarray(0, cut), () => setTimeout(() => response.destroy(), 30));
}

function note(server: 'hub' | 'store', { url, headers }: IncomingMessage): void {
  const path = (url as string).split('?')[0] as string;
  asked.push({ path, range: headers.range, authorization: headers.authorization, server });
}

function reply(response: ServerResponse, status: number, body: Buffer, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length, ...headers });
  response.end(body);
}

let hub: Server;
let store: Server;
const endpoint = () => `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
let home: string;
let cacheDir: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'hub-'));
  hub = createServer(answerAsHub);
  store = createServer(answerAsStore);
  for (const server of [hub, store]) await new Promise<void>((resolve) => server.listen(0, resolve));
});
afterAll(async () => {
  for (const server of [hub, store]) server.close();
  await rm(home, { recursive: true });
});
beforeEach(async () => {
  cacheDir = await mkdtemp(join(home, 'cache-'));
  asked = [];
  waits.length = 0;
  faults = { cutAfter: [], corrupt: false, ignoresRanges: false, status: undefined };
  files = {
    'README.md': Buffer.from('# tiny'),
    'config.json': json({ model_type: 'llama' }),
    'consolidated.safetensors': Buffer.alloc(10),
    'generation_config.json': json({}),
    'model.safetensors': await safetensors(memoryTensor('w', [100_000], numbers)),
    'onnx/model.onnx': Buffer.alloc(10),
    'pytorch_model.bin': Buffer.alloc(10),
    'tokenizer.json': json({ version: '1.0' }),
    'tokenizer_config.json': json({}),
  };
});
afterEach(() => {
  // Each fault that was planned must have happened, or the test did not test it.
  expect(faults.cutAfter).toEqual([]);
});

const repository = () => join(cacheDir, 'models--tiny--model');
const download = (options: Partial<Parameters<typeof downloadModel>[1]> = {}) =>
  downloadModel(name, { cacheDir, endpoint: endpoint(), ...options });
const storeRanges = () => asked.filter(({ server }) => server === 'store').map(({ range }) => range);
async function hasWeights(path: string): Promise<boolean> {
  const model = await openModelFolder(path);
  const values = await readFloat32(model.tensors.get('w') as StoredTensor);
  await model.close();
  return values.length === numbers.length && values.every((value, index) => value === numbers[index]);
}

describe('downloadModel', () => {
  it('fetches what a model needs, and only that, into the layout that Python shares', async () => {
    const { path, commit: got } = await download();
    expect(got).toBe(commit);
    expect(path).toBe(join(repository(), 'snapshots', commit));
    expect((await readdir(path)).sort()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(await readFile(join(repository(), 'refs', 'main'), 'utf8')).toBe(commit);
    expect(await readlink(join(path, 'model.safetensors'))).toBe(
      `../../blobs/${sha256(files['model.safetensors'] as Buffer)}`,
    );
    expect(await readlink(join(path, 'config.json'))).toBe(`../../blobs/${gitSha1(files['config.json'] as Buffer)}`);
    expect(await hasWeights(path)).toBe(true);
  });

  it('asks for nothing twice, and for nothing at all when given a commit that is there', async () => {
    const first = await download();
    asked = [];
    expect(await download()).toEqual(first);
    expect(asked.every(({ path }) => path.startsWith('/api/'))).toBe(true);
    asked = [];
    expect(await download({ revision: commit })).toEqual(first);
    expect(asked).toEqual([]);
  });

  it('reports progress up to the whole', async () => {
    const seen: DownloadProgress[] = [];
    await download({ onProgress: (progress) => seen.push(progress) });
    const total = (file: string) => (files[file] as Buffer).length;
    const totalBytes = [
      'config.json',
      'generation_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'model.safetensors',
    ]
      .map(total)
      .reduce((a, b) => a + b);
    expect(new Set(seen.map((progress) => progress.totalBytes))).toEqual(new Set([totalBytes]));
    expect(seen.at(-1)).toEqual({ file: 'model.safetensors', loadedBytes: totalBytes, totalBytes });
    const loaded = seen.map(({ loadedBytes }) => loadedBytes);
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
  });

  it('sends the token to the Hub and not to where the Hub redirects', async () => {
    await download({ token: 'secret' });
    expect(new Set(asked.filter(({ server }) => server === 'hub').map(({ authorization }) => authorization))).toEqual(
      new Set(['Bearer secret']),
    );
    expect(asked.filter(({ server }) => server === 'store').map(({ authorization }) => authorization)).toEqual([
      undefined,
    ]);
  });

  it('sends the token nowhere else, whatever address the Hub gives', async () => {
    const elsewhere = `http://localhost:${(store.address() as AddressInfo).port}/model.safetensors`;
    await (await connectHub(endpoint(), 'secret').fetch(elsewhere)).arrayBuffer();
    expect(asked.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  it('fetches the shards that the index names', async () => {
    delete files['model.safetensors'];
    files['model-1-of-2.safetensors'] = await safetensors(memoryTensor('w', [100_000], numbers));
    files['model-2-of-2.safetensors'] = await safetensors(memoryTensor('v', [1], Float32Array.of(1)));
    const weight_map = { w: 'model-1-of-2.safetensors', v: 'model-2-of-2.safetensors' };
    files['model.safetensors.index.json'] = json({ weight_map });
    const { path } = await download();
    expect(await hasWeights(path)).toBe(true);
    asked = [];
    await download({ revision: commit });
    expect(asked).toEqual([]);
    await rm(join(path, 'model-2-of-2.safetensors'));
    await download({ revision: commit });
    expect(await readdir(path)).toContain('model-2-of-2.safetensors');
  });
});

describe('an interrupted download', () => {
  it('goes on where the connection broke, as often as it brings something', async () => {
    faults.cutAfter = [100_000, 50_000, 1, 1, 1, 1, 1, 1];
    const { path } = await download();
    expect(await hasWeights(path)).toBe(true);
    expect(storeRanges().slice(0, 4)).toEqual([undefined, 'bytes=100000-', 'bytes=150000-', 'bytes=150001-']);
  });

  it('goes on where an earlier call was stopped', async () => {
    const stop = new AbortController();
    faults.cutAfter = [100_000];
    const onProgress = ({ file, loadedBytes }: DownloadProgress) => {
      if (file === 'model.safetensors' && loadedBytes > 50_000) stop.abort();
    };
    await expect(download({ signal: stop.signal, onProgress })).rejects.toThrow(
      /ABORTED at .*tiny\/model: the download was stopped/,
    );
    await expect(readdir(join(repository(), 'refs'))).rejects.toThrow('ENOENT');
    asked = [];
    expect(await hasWeights((await download()).path)).toBe(true);
    expect(storeRanges()).toHaveLength(1);
    expect(Number(storeRanges()[0]?.slice('bytes='.length, -1))).toBeGreaterThan(50_000);
  });

  it('starts again with a server that knows no ranges', async () => {
    faults.cutAfter = [100_000];
    faults.ignoresRanges = true;
    expect(await hasWeights((await download()).path)).toBe(true);
  });

  it('gives up on a connection that brings nothing', async () => {
    faults.cutAfter = [0, 0, 0, 0, 0, 0];
    await expect(download()).rejects.toThrow(/NETWORK at .*cannot be reached.*go on from where it stopped/);
    expect(waits).toEqual([200, 400, 800, 1600, 3200]);
  });
});

describe('a corrupted download', () => {
  it('is refused, and nothing of it stays', async () => {
    faults.corrupt = true;
    await expect(download()).rejects.toThrow(
      new RegExp(
        `FILE_INVALID at .*model.safetensors: the download is not what the Hub says; expected SHA-256 ${sha256(files['model.safetensors'] as Buffer)}`,
      ),
    );
    const blobs = await readdir(join(repository(), 'blobs'));
    expect(blobs.filter((blob) => blob.length === 64 || blob.includes('incomplete'))).toEqual([]);
    expect(await readdir(join(repository(), 'snapshots', commit))).not.toContain('model.safetensors');
    faults.corrupt = false;
    expect(await hasWeights((await download()).path)).toBe(true);
  });

  it('is refused for small files too, by their git digest', async () => {
    const { path } = await download();
    await rm(repository(), { recursive: true });
    const original = files['config.json'] as Buffer;
    hub.removeAllListeners('request');
    hub.on('request', (request, response) => {
      const changed = request.url?.endsWith('/config.json') ? json({ model_type: 'gpt2!' }) : original;
      files['config.json'] = changed;
      answerAsHub(request, response);
      files['config.json'] = original;
    });
    await expect(download()).rejects.toThrow(/config.json: the download is not what the Hub says; expected git SHA-1/);
    hub.removeAllListeners('request');
    hub.on('request', answerAsHub);
    expect((await download()).path).toBe(path);
  });

  it('is fetched anew when what lay there before was the fault', async () => {
    const blobs = join(repository(), 'blobs');
    await mkdir(blobs, { recursive: true });
    await writeFile(
      join(blobs, `${sha256(files['model.safetensors'] as Buffer)}.incomplete`),
      'not the beginning of it',
    );
    expect(await hasWeights((await download()).path)).toBe(true);
    expect(storeRanges()).toEqual(['bytes=23-', undefined]);
  });
});

describe('without the Hub', () => {
  const nowhere = 'http://127.0.0.1:9';

  it('uses what was downloaded before', async () => {
    const first = await download();
    expect(await download({ endpoint: nowhere })).toEqual(first);
  });

  it('says that it cannot be reached, or that what is there is not whole', async () => {
    await expect(download({ endpoint: nowhere })).rejects.toThrow(
      /NETWORK at http:\/\/127.0.0.1:9\/tiny\/model: the Hub cannot/,
    );
    const { path } = await download();
    await rm(join(path, 'model.safetensors'));
    await expect(download({ endpoint: nowhere })).rejects.toThrow('NETWORK');
  });
});

describe('what is refused', () => {
  it('pickles, by name', async () => {
    delete files['model.safetensors'];
    await expect(download()).rejects.toThrow(/FILE_INVALID at .*pytorch_model.bin: this is a Python pickle/);
    delete files['pytorch_model.bin'];
    delete files['consolidated.safetensors'];
    await expect(download()).rejects.toThrow('the repository holds no weights');
    delete files['config.json'];
    await expect(download()).rejects.toThrow('the repository has no config.json');
    expect(storeRanges()).toEqual([]);
  });

  it('an index that leads out of the folder or names a shard that is not there', async () => {
    delete files['model.safetensors'];
    files['model.safetensors.index.json'] = json({ weight_map: { w: '../../../evil.safetensors' } });
    await expect(download()).rejects.toThrow('the index looks for w outside of its folder');
    files['model.safetensors.index.json'] = json({ weight_map: { w: 'gone.safetensors' } });
    await expect(download()).rejects.toThrow('the repository has no gone.safetensors');
  });

  it.each(['', '../x', 'a/b/c', 'a b', '..', '/etc/passwd', 'https://huggingface.co/a/b'])(
    'the name %j',
    async (bad) => {
      await expect(downloadModel(bad, { cacheDir, endpoint: endpoint() })).rejects.toThrow(
        'CONFIG_INVALID: this is no model name',
      );
    },
  );

  it('a revision that leads out of the cache', async () => {
    await expect(download({ revision: '../../x' })).rejects.toThrow('CONFIG_INVALID: this is no revision');
  });

  it.each<[number, RegExp]>([
    [404, /NAME_UNKNOWN at .*tiny\/model: the Hub has no such model or revision; got .*told to fail/],
    [401, /NETWORK at .*does not give this model.*private or gated.*access token/],
    [403, /NETWORK at .*does not give this model/],
    [500, /NETWORK at .*cannot be reached/],
  ])('by the Hub with status %i', async (status, message) => {
    faults.status = status;
    await expect(download()).rejects.toThrow(message);
  });
});
