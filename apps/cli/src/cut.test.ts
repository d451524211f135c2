import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openModelFolder } from '@tunesmith/checkpoints';
import { readFloat32, type StoredTensor } from '@tunesmith/core';
import { families } from '@tunesmith/models';
import { cutLayers, describeModel } from '@tunesmith/runtime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyData, writeTinyModel } from './fixtures/tiny-model.js';

const fixtures = fileURLToPath(new URL('../../../parity/fixtures/', import.meta.url));

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-cut-'));
  await writeTinyModel(join(home, 'model'));
  await writeTinyData(join(home, 'data.jsonl'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const lossOf = async (model: string): Promise<number> =>
  (await runJson(home, 'eval', '--model', model, '--data', 'data.jsonl')).loss as number;

it('keeps the layers that are asked for, under what else the model has', async () => {
  const cut = await runJson(home, 'cut', '--model', 'model', '--layers', '1', '--output', 'first');
  expect(cut).toEqual({ model: join(home, 'first'), layers: [0], of: 2 });
  expect(JSON.parse(await readFile(join(home, 'first/config.json'), 'utf8'))).toMatchObject({ num_hidden_layers: 1 });
  await runJson(home, 'cut', '--model', 'model', '--layers', '1,', '--output', 'last');
  await runJson(home, 'cut', '--model', 'model', '--layers', '2', '--output', 'both');
  const [whole, first, last, both] = await Promise.all(['model', 'first', 'last', 'both'].map(lossOf));
  expect(both).toBe(whole);
  expect(new Set([whole, first, last]).size).toBe(3);
}, 60_000);

it.each([
  'families/llama',
  'families/mistral',
  'families/qwen2',
  'families/qwen3',
  'families/gpt2',
  'encoders/bert',
  'encoders/roberta',
  'encoders/distilbert',
  'encoders/electra',
])('makes a whole model of the second layer of %s', async (name) => {
  const to = join(home, name.replace('/', '-'));
  await cutLayers(join(fixtures, name), to, [1], families);
  const [before, after] = [await openModelFolder(join(fixtures, name)), await openModelFolder(to)];
  const { shape, handles } = describeModel(after.config, to, families);
  expect(shape.layers).toBe(1);
  // Nothing is missing of what a model of one layer has, and that layer is the second of before.
  const inLayer = after.tensors.names().filter((path) => /(^|\.)(layers|layer|h)\.0\./.test(path));
  expect(inLayer.length).toBeGreaterThan(5);
  expect(handles.filter(({ path }) => /(^|\.)(layers|layer|h)\.0\./.test(path)).length).toBeLessThanOrEqual(
    inLayer.length,
  );
  for (const path of after.tensors.names()) {
    const from = path.replace(/(?<=(^|\.)(layers|layer|h)\.)0(?=\.)/, '1');
    expect(await readFloat32(after.tensors.get(path) as StoredTensor)).toEqual(
      await readFloat32(before.tensors.get(from) as StoredTensor),
    );
  }
  await before.close();
  await after.close();
});

it.each([
  ['3', /CONFIG_INVALID at layers: the model has no such layers; expected 1 to 2, got 3/],
  ['1,0', /expected indices of 0 to 1, each greater than the one before, got 1,0/],
  ['two', /Expected a number of layers/],
])('refuses --layers %s', async (layers, message) => {
  const { code, stderr } = await runCli(home, 'cut', '--model', 'model', '--layers', layers, '--output', 'none');
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
});

it('does not cut what is not a list of equal blocks, nor over what is there', async () => {
  const t5 = await runCli(home, 'cut', '--model', join(fixtures, 't5/flan-t5'), '--layers', '1', '--output', 'none');
  expect([t5.code, t5.stderr]).toEqual([4, expect.stringContaining('CAPABILITY_MISSING')]);
  const over = await runCli(home, 'cut', '--model', 'model', '--layers', '1', '--output', 'model');
  expect([over.code, over.stderr]).toEqual([2, expect.stringContaining('FILE_INVALID at model')]);
});
