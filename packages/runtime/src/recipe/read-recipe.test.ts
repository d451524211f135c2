import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { overrideRecipe, parseSettings, readRecipe } from './read-recipe.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recipe-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function written(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

describe('readRecipe', () => {
  it('reads YAML and JSON alike, with paths relative to the recipe', async () => {
    const yaml = await written(
      'a.yaml',
      'model: { path: ./m }\ndata: { train: [a.jsonl, /b.jsonl], validation: 0.1 }\noutput: out\nplugins: [./p.js, pkg]\n',
    );
    const json = await written(
      'a.json',
      '{"model": {"path": "./m"}, "data": {"train": ["a.jsonl", "/b.jsonl"], "validation": 0.1}, "output": "out", "plugins": ["./p.js", "pkg"]}',
    );
    expect((await readRecipe(yaml)).value).toEqual({
      model: { path: join(folder, 'm') },
      data: { train: [join(folder, 'a.jsonl'), '/b.jsonl'], validation: 0.1 },
      output: join(folder, 'out'),
      plugins: [join(folder, 'p.js'), 'pkg'],
    });
    expect((await readRecipe(json)).value).toEqual((await readRecipe(yaml)).value);
  });
  it('runs TypeScript', async () => {
    const file = await written('r.ts', 'const steps: number = 2 + 3;\nexport default { trainer: { steps } };\n');
    expect((await readRecipe(file)).value).toEqual({ trainer: { steps: 5 } });
  });
  it.each([
    ['none.yaml', undefined, /FILE_MISSING at .*none\.yaml/],
    ['none.ts', undefined, /FILE_MISSING at .*none\.ts/],
    ['broken.yaml', 'a: [', /FILE_INVALID at .*broken\.yaml: not YAML/],
    ['list.yaml', '- a', /FILE_INVALID at .*list\.yaml: the recipe is no object/],
    ['throws.ts', 'throw new Error("no luck");', /FILE_INVALID at .*throws\.ts: .*no luck/],
  ])('says what is wrong with %s', async (name, text, message) => {
    const path = text === undefined ? join(folder, name) : await written(name, text);
    await expect(readRecipe(path)).rejects.toThrow(message);
  });
});

describe('parseSettings', () => {
  it('reads values as YAML', () => {
    const settings = [
      'lora.rank=16',
      'lora.targetModules=[q_proj, v_proj]',
      'data.template=none',
      'a.b.c=1e-4',
      'x=y=z',
    ];
    expect(parseSettings(settings)).toEqual({
      lora: { rank: 16, targetModules: ['q_proj', 'v_proj'] },
      data: { template: 'none' },
      a: { b: { c: 1e-4 } },
      x: 'y=z',
    });
  });
  it.each(['rank', '=3', 'a..b=3', '__proto__.x=1'])('refuses %s', (setting) => {
    expect(() => parseSettings([setting])).toThrow(`CONFIG_INVALID at --set ${setting}`);
  });
});

describe('overrideRecipe', () => {
  const source = {
    where: 'r.yaml',
    value: { model: { name: 'a/b', dtype: 'float32' }, lora: { rank: 8, dropout: 0.1 } },
  };
  it('goes key by key', () => {
    expect(overrideRecipe(source, { lora: { rank: 16 }, data: { train: 'd' } }, '/here').value).toEqual({
      model: { name: 'a/b', dtype: 'float32' },
      lora: { rank: 16, dropout: 0.1 },
      data: { train: '/here/d' },
    });
  });
  it('drops the block of a method that another takes the place of', () => {
    const named = { where: 'r.yaml', value: { method: ['a', 'b'], a: { x: 1 }, b: { x: 2 } } };
    expect(overrideRecipe(named, { method: 'b' }, '/').value).toEqual({ method: 'b', b: { x: 2 } });
    expect(overrideRecipe(named, { a: { x: 3 } }, '/').value).toEqual({ ...named.value, a: { x: 3 } });
  });
  it('lets a model’s path take the place of its name, and the other way round', () => {
    const byPath = overrideRecipe(source, { model: { path: 'm' } }, '/here');
    expect(byPath.value.model).toEqual({ dtype: 'float32', path: '/here/m' });
    expect(overrideRecipe(byPath, { model: { name: 'c/d' } }, '/here').value.model).toEqual({
      dtype: 'float32',
      name: 'c/d',
    });
    expect(overrideRecipe(byPath, { model: { dtype: 'auto' } }, '/here').value.model).toEqual({
      dtype: 'auto',
      path: '/here/m',
    });
  });
});
