import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryTensor, readFloat32, type StoredTensor } from '@tunesmith/core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openAdapter } from '../adapter/open-adapter.js';
import { writeSafetensors } from '../safetensors/write-safetensors.js';
import { writeAdapterHubAdapter } from './write-adapterhub-adapter.js';

let home: string;
let folder: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hub-'));
  folder = join(home, 'adapter');
});
afterEach(() => rm(home, { recursive: true }));

const name = 'layer.0.output.adapters.adapter_up.bias';
const contents = {
  name: 'task',
  config: { scaling: 4, leave_out: [] },
  model: { type: 'bert', class: 'BertModel', name: 'tiny', hiddenSize: 2 },
  tensors: [memoryTensor(name, [2], Float32Array.of(1, 2))],
};
const configFile = () => join(folder, 'adapter_config.json');

it('writes what it reads, with the name in the tensors and the scaling a float', async () => {
  await writeAdapterHubAdapter(folder, { ...contents, manifest: '{}' });
  const config = await readFile(configFile(), 'utf8');
  expect(config).toContain('"scaling": 4.0\n');
  expect(JSON.parse(config)).toMatchObject({
    name: 'task',
    model_type: 'bert',
    hidden_size: 2,
    version: 'adapters.1.3.0',
  });
  expect((await readFile(join(folder, 'adapter.safetensors'))).toString('latin1')).toContain(
    'output.adapters.task.adapter_up',
  );
  const { format, config: read, tensors, close } = await openAdapter(folder);
  expect({ format, read, names: tensors.names() }).toEqual({
    format: 'adapterhub',
    read: contents.config,
    names: [name],
  });
  expect([...(await readFloat32(tensors.get(name) as StoredTensor))]).toEqual([1, 2]);
  await close();
});

it('has the tensors of a head beside it for who asks', async () => {
  await writeAdapterHubAdapter(folder, contents);
  await writeSafetensors(join(folder, 'model_head.safetensors'), [
    memoryTensor('classifier.bias', [1], new Float32Array(1)),
  ]);
  const { tensors, close } = await openAdapter(folder);
  expect(tensors.names()).toEqual([name]);
  expect(tensors.get('classifier.bias')?.shape).toEqual([1]);
  await close();
});

it('refuses pickles, folders without a version, and names that would end a part of a tensor’s', async () => {
  await expect(writeAdapterHubAdapter(folder, { ...contents, name: 'a.b' })).rejects.toThrow('"a.b" is no name');
  await writeAdapterHubAdapter(folder, contents);
  await rename(join(folder, 'adapter.safetensors'), join(folder, 'pytorch_adapter.bin'));
  await expect(openAdapter(folder)).rejects.toThrow(
    /pytorch_adapter.bin: this is a Python pickle.*use_safetensors=True/,
  );
  const { version: _, ...old } = JSON.parse(await readFile(configFile(), 'utf8'));
  await writeFile(configFile(), JSON.stringify(old));
  await expect(openAdapter(folder)).rejects.toThrow('does not say which version wrote it');
});
