import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryTensor, readFloat32, type StoredTensor } from '@tunesmith/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toPeftName } from './peft-names.js';
import { readPeftAdapter } from './read-peft-adapter.js';
import { writePeftAdapter } from './write-peft-adapter.js';

let home: string;
let folder: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'peft-'));
});
beforeEach(async () => {
  folder = await mkdtemp(join(home, 'a-'));
});
afterAll(() => rm(home, { recursive: true }));

const config = {
  r: 1,
  peft_type: 'LORA',
  target_modules: ['q_proj'],
  base_model_name_or_path: 'x',
  inference_mode: true,
};
const path = 'model.layers.0.self_attn.q_proj';
const adapter = (...b: number[]): StoredTensor[] => [
  memoryTensor(toPeftName(`${path}.lora_A.weight`), [1, 2], new Float32Array(2)),
  memoryTensor(toPeftName(`${path}.lora_B.weight`), [b.length, 1], Float32Array.from(b)),
];

describe('writePeftAdapter', () => {
  it('writes the files as PEFT does', async () => {
    const target = join(folder, 'run', 'adapter');
    await writePeftAdapter(target, { config, tensors: adapter(1, -2), manifest: '{"version": 1}\n' });
    expect((await readdir(target)).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
      'tunesmith.json',
    ]);
    expect(await readFile(join(target, 'adapter_config.json'), 'utf8')).toMatch(
      /^\{\n {2}"base_model_name_or_path": "x",\n {2}"inference_mode": true,\n {2}"peft_type": "LORA",\n {2}"r": 1,\n/,
    );
    expect((await readFile(join(target, 'adapter_model.safetensors'))).toString('latin1')).toContain(
      '{"__metadata__":{"format":"pt"},"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight":{"dtype":"F32",',
    );
    const read = await readPeftAdapter(target);
    expect(read.config).toEqual(config);
    const tensor = read.tensors.get(`base_model.model.${path}.lora_B.weight`) as StoredTensor;
    expect([...(await readFloat32(tensor))]).toEqual([1, -2]);
    await read.close();
  });

  it('replaces an adapter, and keeps the old one when writing fails', async () => {
    await writePeftAdapter(folder, { config, tensors: adapter(1) });
    await writePeftAdapter(folder, { config: { ...config, r: 2 }, tensors: adapter(2) });
    const failing: StoredTensor = {
      name: 'x',
      dtype: 'F32',
      shape: [1],
      read: () => Promise.reject(new Error('gone')),
    };
    await expect(writePeftAdapter(folder, { config, tensors: [...adapter(3), failing] })).rejects.toThrow('gone');
    const read = await readPeftAdapter(folder);
    expect(read.config.r).toBe(2);
    await read.close();
    expect((await readdir(home)).filter((name) => name.includes('.tmp-'))).toEqual([]);
  });

  it.each<[string, StoredTensor[], RegExp]>([
    ['no tensors', [], /DATA_INVALID at .*the adapter has no tensors: it would change nothing/],
    ['only zeros', adapter(0, -0), /DATA_INVALID at .*all 2 tensors of the adapter are zero/],
  ])('refuses %s', async (_, tensors, message) => {
    await expect(writePeftAdapter(join(folder, 'adapter'), { config, tensors })).rejects.toThrow(message);
    expect(await readdir(folder)).toEqual([]);
  });

  it('never deletes what it did not write', async () => {
    await writePeftAdapter(folder, { config, tensors: adapter(1) });
    await writeFile(join(folder, 'notes.txt'), 'mine');
    await expect(writePeftAdapter(folder, { config, tensors: adapter(2) })).rejects.toThrow('already holds notes.txt');
    expect(await readdir(folder)).toContain('notes.txt');
  });

  it('refuses a config that PEFT would not know', async () => {
    await expect(writePeftAdapter(folder, { config: { r: 8 }, tensors: adapter(1) })).rejects.toThrow(
      'needs peft_type',
    );
  });
});

describe('readPeftAdapter', () => {
  const put = (name: string, content: unknown = '') =>
    writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));

  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'AdapterHub',
      { 'adapter_config.json': { version: 'adapters.1.2.0', model_class: 'BertModel', config: {} } },
      /AdapterHub/,
    ],
    ['AdapterHub, by its files', { 'pytorch_adapter.bin': '' }, /AdapterHub/],
    [
      'MLX-LM',
      { 'adapter_config.json': { fine_tune_type: 'lora', num_layers: 16 }, 'adapters.safetensors': '' },
      /MLX-LM.*transposed/,
    ],
    ['LitGPT', { 'lit_model.pth.lora': '', 'hyperparameters.yaml': '' }, /LitGPT/],
    [
      'torchtune',
      { 'adapter_config.json': { r: 8, lora_alpha: 16, target_modules: [] }, 'adapter_0.pt': '' },
      /torchtune/,
    ],
  ])('names %s', async (_, files, message) => {
    for (const [name, content] of Object.entries(files)) await put(name, content);
    await expect(readPeftAdapter(folder)).rejects.toThrow(message);
    await expect(readPeftAdapter(folder)).rejects.toThrow('FILE_INVALID');
  });

  it('says what an unknown config has', async () => {
    await put('adapter_config.json', { rank: 8 });
    await expect(readPeftAdapter(folder)).rejects.toThrow(
      'this is no PEFT adapter; expected peft_type in adapter_config.json, got rank.',
    );
  });

  it('refuses pickled weights, and names what is missing', async () => {
    await expect(readPeftAdapter(join(folder, 'none'))).rejects.toThrow('FILE_MISSING');
    await expect(readPeftAdapter(folder)).rejects.toThrow(
      /the folder has no adapter_config.json.*not called "default"/,
    );
    await put('adapter_config.json', { peft_type: 'LORA' });
    await expect(readPeftAdapter(folder)).rejects.toThrow('the adapter has no adapter_model.safetensors');
    await put('adapter_model.bin');
    await expect(readPeftAdapter(folder)).rejects.toThrow(
      /FILE_INVALID at .*adapter_model.bin: this is a Python pickle/,
    );
  });
});
