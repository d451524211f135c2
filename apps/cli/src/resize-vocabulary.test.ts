import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import type { MethodFactory } from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { lora } from '@tunesmith/lora';
import {
  type AdaptedModel,
  type Engine,
  evaluateFiles,
  openModel,
  parseRecipe,
  type Recipe,
  resolveRecipe,
  saveModel,
  train,
} from '@tunesmith/runtime';
import { full } from '@tunesmith/selective';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, pluginRoots } from './engine.js';
import { writeTinyModel } from './fixtures/tiny-model.js';

const methods: readonly MethodFactory[] = [lora, ia3, full];
const tokens = [96, 97];
const hidden = 64;

let home: string;
let engine: Engine;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-resize-'));
  // A Llama with a head of its own and 96 tokens, all of which its tokenizer has, and two more.
  const model = await writeTinyModel(join(home, 'model'));
  const file = join(model, 'tokenizer.json');
  const tokenizer = JSON.parse(await readFile(file, 'utf8')) as { added_tokens: object[] };
  const [special] = tokenizer.added_tokens;
  tokenizer.added_tokens.push(...tokens.map((id) => ({ ...special, id, content: id === 96 ? '<tool>' : '</tool>' })));
  await writeFile(file, JSON.stringify(tokenizer));
  const rows = Array.from({ length: 8 }, (_, index) => ({ prompt: `${index}?`, completion: `<tool>${index}</tool>` }));
  await writeFile(join(home, 'data.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  engine = {
    ...createEngine({ methods, cacheFolder: join(home, 'cache') }),
    createBackend: () => createTfjsBackend({ prefer: 'cpu' }),
  };
});
afterAll(() => rm(home, { recursive: true, force: true }));

function recipe(method: string, settings: object, resizeVocabulary = true): Recipe {
  const value = {
    model: { path: join(home, 'model'), resizeVocabulary },
    data: { train: join(home, 'data.jsonl') },
    ...{ method, [method]: settings, output: join(home, method) },
    trainer: { batchSize: 4, steps: 3, learningRate: 0.02 },
  };
  return parseRecipe({ where: 'a test', value: value as never }, methods);
}

/** The loss over the data, and the rows of the new tokens as they are now. */
async function look(model: string, adapters: readonly string[] = []) {
  const opened = await openModel({
    ...{ model: { path: model, dtype: 'auto' }, adapters, device: 'tfjs', engine },
    lookup: { roots: pluginRoots(), plugins: [] },
  });
  const data = { ...recipe('full', {}).data, maxLength: 64 };
  const { loss } = await evaluateFiles(opened, { data, batchSize: 4, cacheFolder: engine.cacheFolder });
  return { opened, loss };
}

async function newRows({ model, parameters }: AdaptedModel, path: string): Promise<number[][]> {
  const handle = model.handles.find((each) => each.path === path);
  if (handle === undefined) throw new Error(`no ${path}`);
  const values = await parameters.read(handle);
  return tokens.map((token) => [...values.subarray(token * hidden, (token + 1) * hidden)]);
}

describe('a tokenizer with more tokens than the model', () => {
  it('is refused before anything is loaded, with the setting that takes it', async () => {
    await expect(resolveRecipe(recipe('full', {}, false), engine)).rejects.toThrow(
      /SHAPE_MISMATCH .*at most 96 tokens, got 98.*model\.resizeVocabulary: true/,
    );
  });

  it.each<[string, object, string[]]>([
    ['lora', {}, ['model.embed_tokens.weight', 'lm_head.weight']],
    ['ia3', {}, ['model.embed_tokens.weight', 'lm_head.weight']],
    ['lora', { trainableTokenIndices: tokens }, ['lm_head.weight']],
    ['lora', { modulesToSave: ['embed_tokens', 'lm_head'] }, []],
    ['lora', { targetModules: ['q_proj', 'embed_tokens', 'lm_head'] }, []],
  ])('of %s %j leaves %j untrained, which is refused', async (method, settings, untrained) => {
    const resolving = resolveRecipe(recipe(method, settings), engine);
    if (untrained.length === 0) await resolving;
    else await expect(resolving).rejects.toThrow(`something that trains at ${untrained.join(', ')}, got ${method}`);
  });

  it('has them saved by full fine-tuning, in a model that says so', async () => {
    const { model } = await train(recipe('full', {}), engine);
    expect(JSON.parse(await readFile(join(model as string, 'config.json'), 'utf8'))).toMatchObject({ vocab_size: 98 });
    const { opened } = await look(model as string);
    const [first, second] = await newRows(opened, 'lm_head.weight');
    expect(first).not.toEqual(second);
    opened.dispose();
  });

  it('has them in an adapter, which opens on the same base and merges into a model that says so', async () => {
    const places = { embed_tokens: tokens, lm_head: tokens };
    const { adapters } = await train(recipe('lora', { trainableTokenIndices: places }), engine);
    const { opened, loss } = await look(join(home, 'model'), adapters);
    const [first, second] = await newRows(opened, 'model.embed_tokens.weight');
    expect(first).toEqual(second); // the base's own, which stay the mean
    await saveModel(opened, join(home, 'merged'));
    opened.dispose();
    const merged = await look(join(home, 'merged'));
    expect(merged.opened.config.vocab_size).toBe(98);
    expect(merged.loss).toBeCloseTo(loss, 5);
    const rows = await newRows(merged.opened, 'model.embed_tokens.weight');
    expect(rows[0]).not.toEqual(rows[1]);
    merged.opened.dispose();
  });
});
