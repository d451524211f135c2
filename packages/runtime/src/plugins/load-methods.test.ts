import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { discoverPlugins } from './discover-plugins.js';
import { loadMethods, loadMethodsForPeft } from './load-methods.js';
import { loadObjectives } from './load-objectives.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'plugins-'));
  await install('@one/ranks', { apiVersion: 1, methods: ['ranks'], peftTypes: ['RANKS'] }, method('ranks'));
  await install(
    'sums',
    { apiVersion: 1, methods: ['sums'] },
    `${method('sums', 1, 'const')} export const methods = [sums];`,
  );
  await install(
    'goals',
    { apiVersion: 1, methods: ['way'], objectives: ['goal'] },
    `${method('way')} ${method('goal').replace('config', "rows: 'preferences', config")}`,
  );
  await install('loud', { apiVersion: 1, methods: ['loud'] }, "throw new Error('I was run');");
  await install('old', { apiVersion: 0, methods: ['old'] }, method('old'));
  await install('liar', { apiVersion: 1, methods: ['gone'] }, method('other'));
  await install('two-a', { apiVersion: 1, methods: ['both'] }, method('both'));
  await install('two-b', { apiVersion: 1, methods: ['both'] }, method('both'));
  await install('broken', { methods: 'x' }, '');
  await writeFile(join(root, 'local.mjs'), method('local'));
  await writeFile(join(root, 'future.mjs'), method('future', 7));
  await writeFile(join(root, 'none.mjs'), 'export const answer = 42;');
});
afterAll(() => rm(root, { recursive: true }));

/** A module that exports a factory as `defineMethod` makes them, without importing anything. */
function method(name: string, apiVersion = 1, declare = 'export const'): string {
  return `${declare} ${name} = Object.assign(() => ({}), { definition: { name: '${name}', apiVersion: ${apiVersion}, config: {} } });`;
}

async function install(name: string, tunesmith: unknown, code: string): Promise<void> {
  const folder = join(root, 'node_modules', name);
  await mkdir(folder, { recursive: true });
  const manifest = {
    name,
    version: '1.2.3',
    type: 'module',
    keywords: ['tunesmith-plugin'],
    tunesmith,
    exports: './index.js',
  };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  await writeFile(join(folder, 'index.js'), code);
}

const lookup = (plugins: string[] = []) => ({ roots: [join(root, 'deep/inside')], plugins });
const namesOf = (factories: readonly { definition: { name: string } }[]) =>
  factories.map(({ definition }) => definition.name);

describe('discoverPlugins', () => {
  it('lists what is installed above a folder, from manifests alone', async () => {
    const plugins = await discoverPlugins([join(root, 'deep/inside'), root]);
    expect(plugins.map(({ name }) => name)).toEqual([
      '@one/ranks',
      'broken',
      'goals',
      'liar',
      'loud',
      'old',
      'sums',
      'two-a',
      'two-b',
    ]);
    expect(plugins[0]).toMatchObject({ version: '1.2.3', apiVersion: 1, methods: ['ranks'], peftTypes: ['RANKS'] });
    expect(plugins[1]).toMatchObject({ methods: [], problem: expect.stringContaining('apiVersion') });
    expect(plugins[2]).toMatchObject({ methods: ['way'], objectives: ['goal'] });
  });
});

describe('loadMethods', () => {
  it('imports the package that offers a name, and no other', async () => {
    expect(namesOf(await loadMethods(['ranks', 'sums'], lookup()))).toEqual(['ranks', 'sums']);
    await expect(loadMethods(['loud'], lookup())).rejects.toThrow(/FILE_INVALID at loud: .*I was run/);
  });
  it('takes a plugin given as a file first', async () => {
    const file = join(root, 'local.mjs');
    expect(namesOf(await loadMethods(['local', 'ranks'], lookup([file])))).toEqual(['local', 'ranks']);
    expect(namesOf(await loadMethods(['both'], lookup(['two-b'])))).toEqual(['both']);
  });
  it.each([
    ['rnaks', [], /NAME_UNKNOWN: .*"rnaks".*Did you mean ranks\?.*--plugin/],
    ['both', [], /METHOD_CONFLICT: .*two-a .* and two-b/],
    ['old', [], /API_VERSION: .*"old".*expected apiVersion 1, got 0/],
    ['gone', [], /NAME_UNKNOWN at liar: .*"gone".*Known: other/],
    ['x', ['missing-package'], /FILE_MISSING: .*"missing-package".*npm install missing-package/],
    ['answer', ['none.mjs'], /NAME_UNKNOWN at .*none\.mjs: the plugin offers no method and no objective/],
    ['future', ['future.mjs'], /API_VERSION: .*future\.mjs.*expected apiVersion 1, got 7/],
    ['local', ['local.mjs', 'local.mjs'], /METHOD_CONFLICT: two of the plugins given offer the method "local"/],
  ])('refuses %s from %j', async (name, plugins, message) => {
    const given = plugins.map((plugin) => (plugin.endsWith('.mjs') ? join(root, plugin) : plugin));
    await expect(loadMethods([name], lookup(given))).rejects.toThrow(message);
  });
});

describe('loadObjectives', () => {
  it('finds what manifests offer, and takes no method for an objective', async () => {
    expect(namesOf(await loadObjectives(['goal'], lookup()))).toEqual(['goal']);
    expect(namesOf(await loadObjectives(['goal'], lookup(['goals'])))).toEqual(['goal']);
    expect(namesOf(await loadMethods(['way'], lookup(['goals'])))).toEqual(['way']);
    await expect(loadObjectives(['way'], lookup())).rejects.toThrow(/no installed package offers the objective "way"/);
    await expect(loadMethods(['goal'], lookup())).rejects.toThrow(/no installed package offers the method "goal"/);
  });
});

describe('loadMethodsForPeft', () => {
  it('finds the methods whose manifests name the type', async () => {
    expect(namesOf(await loadMethodsForPeft('RANKS', lookup()))).toEqual(['ranks']);
    await expect(loadMethodsForPeft('RNKS', lookup())).rejects.toThrow(/NAME_UNKNOWN: .*RNKS. Did you mean RANKS\?/);
  });
});
