import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryTensor, readFloat32, type StoredTensor } from '@tunesmith/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../safetensors/write-safetensors.js';
import { openModelFolder } from './open-model-folder.js';
import { writeModelFolder } from './write-model-folder.js';

let home: string;
let folder: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'model-folder-'));
});
beforeEach(async () => {
  folder = await mkdtemp(join(home, 'm-'));
});
afterAll(() => rm(home, { recursive: true }));

const config = { model_type: 'llama', hidden_size: 4, architectures: ['LlamaForCausalLM'] };
const tensor = (name: string, ...values: number[]) => memoryTensor(name, [values.length], Float32Array.from(values));
const weights = [tensor('model.norm.weight', 1, 2), tensor('lm_head.weight', 3, 4, 5), tensor('model.embed.weight', 6)];
const put = (name: string, content: unknown) =>
  writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));

async function contentOf(path: string): Promise<Record<string, number[]>> {
  const model = await openModelFolder(path);
  const content: Record<string, number[]> = {};
  for (const name of model.tensors.names()) {
    content[name] = [...(await readFloat32(model.tensors.get(name) as StoredTensor))];
  }
  await model.close();
  return content;
}
const expectedContent = { 'model.norm.weight': [1, 2], 'lm_head.weight': [3, 4, 5], 'model.embed.weight': [6] };

describe('writeModelFolder', () => {
  it('writes one file, sorted config, and takes the tokenizer over', async () => {
    const source = await mkdtemp(join(home, 'source-'));
    for (const name of [
      'tokenizer.json',
      'tokenizer_config.json',
      'generation_config.json',
      'README.md',
      'model.safetensors',
    ]) {
      await writeFile(join(source, name), `{"from": "${name}"}`, { mode: 0o444 });
    }
    const path = join(folder, 'merged');
    await writeModelFolder(path, { config, tensors: weights, copyFrom: source });
    expect((await readdir(path)).sort()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(await readFile(join(path, 'config.json'), 'utf8')).toBe(
      '{\n  "architectures": [\n    "LlamaForCausalLM"\n  ],\n  "hidden_size": 4,\n  "model_type": "llama"\n}\n',
    );
    const model = await openModelFolder(path);
    expect(model.config).toEqual(config);
    expect(model.generationConfig).toEqual({ from: 'generation_config.json' });
    expect(Object.keys(model.tokenizerFiles)).toEqual(['tokenizer.json', 'tokenizer_config.json']);
    expect(await readFile(model.tokenizerFiles['tokenizer.json'] as string, 'utf8')).toContain('tokenizer.json');
    await model.close();
    expect(await contentOf(path)).toEqual(expectedContent);
  });

  it('splits what is too big for one file and writes the index', async () => {
    const path = join(folder, 'sharded');
    await writeModelFolder(path, { config, tensors: weights, maxShardBytes: 12 });
    expect(JSON.parse(await readFile(join(path, 'model.safetensors.index.json'), 'utf8'))).toEqual({
      metadata: { total_size: 24 },
      weight_map: {
        'model.norm.weight': 'model-00001-of-00003.safetensors',
        'lm_head.weight': 'model-00002-of-00003.safetensors',
        'model.embed.weight': 'model-00003-of-00003.safetensors',
      },
    });
    expect(await contentOf(path)).toEqual(expectedContent);
  });

  it('refuses to write over a model, and leaves nothing behind when a tensor fails', async () => {
    await put('mine.txt', 'mine');
    await expect(writeModelFolder(folder, { config, tensors: weights })).rejects.toThrow(
      'the folder already holds mine.txt, which would be lost. Choose a new or an empty folder.',
    );
    const failing: StoredTensor = {
      name: 'x',
      dtype: 'F32',
      shape: [1],
      read: () => Promise.reject(new Error('gone')),
    };
    await expect(writeModelFolder(join(folder, 'new'), { config, tensors: [...weights, failing] })).rejects.toThrow(
      'gone',
    );
    const twice = [...weights, tensor('lm_head.weight', 0)];
    await expect(writeModelFolder(join(folder, 'new'), { config, tensors: twice, maxShardBytes: 4 })).rejects.toThrow(
      'FILE_INVALID at lm_head.weight: two tensors have this name.',
    );
    expect(await readdir(folder)).toEqual(['mine.txt']);
  });

  it('fills a folder that is empty', async () => {
    await writeModelFolder(folder, { config, tensors: weights });
    expect(await contentOf(folder)).toEqual(expectedContent);
  });
});

describe('openModelFolder', () => {
  it('opens a snapshot of the Hugging Face cache, whose files and folder are symbolic links', async () => {
    const blobs = join(folder, 'blobs');
    const snapshot = join(folder, 'snapshots', 'abc');
    await mkdir(snapshot, { recursive: true });
    await mkdir(blobs);
    await writeSafetensors(join(blobs, '11'), weights);
    await writeFile(join(blobs, '22'), JSON.stringify(config));
    await symlink('../../blobs/11', join(snapshot, 'model.safetensors'));
    await symlink('../../blobs/22', join(snapshot, 'config.json'));
    await symlink('snapshots/abc', join(folder, 'latest'));
    expect(await contentOf(join(folder, 'latest'))).toEqual(expectedContent);
  });

  it('loads what a shard holds beside what the index names', async () => {
    await put('config.json', config);
    await writeSafetensors(join(folder, 's1.safetensors'), weights);
    await put('model.safetensors.index.json', { weight_map: { 'lm_head.weight': 's1.safetensors' } });
    expect(await contentOf(folder)).toEqual(expectedContent);
  });

  it('refuses a tensor that is in two shards', async () => {
    await put('config.json', config);
    await writeSafetensors(join(folder, 's1.safetensors'), weights);
    await writeSafetensors(join(folder, 's2.safetensors'), [tensor('a', 1), tensor('lm_head.weight', 9)]);
    await put('model.safetensors.index.json', {
      weight_map: { 'lm_head.weight': 's1.safetensors', a: 's2.safetensors' },
    });
    await expect(openModelFolder(folder)).rejects.toThrow(/FILE_INVALID at .*s2.*: lm_head.weight is also in .*s1/);
  });

  it('names the shard that is missing, and the tensor that its shard lacks', async () => {
    await put('config.json', config);
    await put('model.safetensors.index.json', { weight_map: { a: 's1.safetensors', b: 's2.safetensors' } });
    await writeSafetensors(join(folder, 's1.safetensors'), [tensor('a', 1)]);
    await expect(openModelFolder(folder)).rejects.toThrow(
      /FILE_MISSING at .*s2.safetensors: a shard that model.safetensors.index.json names is missing. Download/,
    );
    await writeSafetensors(join(folder, 's2.safetensors'), [tensor('c', 1)]);
    await expect(openModelFolder(folder)).rejects.toThrow(
      /FILE_INVALID at .*s2.safetensors: model.safetensors.index.json says that b is here; got no such tensor/,
    );
  });

  it('refuses pickled weights by name and says how to convert them', async () => {
    await put('config.json', config);
    await put('optimizer.pt', '');
    await put('pytorch_model.bin', '');
    await expect(openModelFolder(folder)).rejects.toThrow(
      /FILE_INVALID at .*pytorch_model.bin: this is a Python pickle.*Convert it.*safe_serialization=True/,
    );
  });

  it('says what is not there', async () => {
    await expect(openModelFolder(join(folder, 'none'))).rejects.toThrow(
      /FILE_MISSING at .*none: there is no such folder/,
    );
    await put('file', '');
    await expect(openModelFolder(join(folder, 'file'))).rejects.toThrow(/FILE_MISSING at .*file: this is no folder/);
    await expect(openModelFolder(folder)).rejects.toThrow('the folder has no config.json');
    await put('config.json', config);
    await expect(openModelFolder(folder)).rejects.toThrow(
      /holds no weights; expected model.safetensors or model.safetensors.index.json, got config.json/,
    );
  });
});
