import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { offlineTasks, openResultStore, readSuite, runSuite } from '@tunesmith/bench';
import { expect, it } from 'vitest';
import { pluginRoots } from './engine.js';

const folder = fileURLToPath(new URL('../../../benchmarks/suites', import.meta.url));

it('each suite that comes with the repository has only recipes that can run', async () => {
  const home = await mkdtemp(join(tmpdir(), 'tunesmith-suites-'));
  try {
    const entry = join(home, 'entry.mjs');
    await writeFile(entry, 'export {};');
    const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml'));
    expect(names).toContain('first-table.yaml');
    for (const name of names) {
      const suite = await readSuite(join(folder, name));
      const store = await openResultStore(join(home, name));
      // Recipes differ by method, not by task; this task's rows need no network. Nothing runs: the time is over.
      const { total } = await runSuite({
        suite: { ...suite, tasks: ['exercises'] },
        ...{ store, tasks: offlineTasks, roots: pluginRoots(), cacheFolder: join(home, 'cache') },
        ...{ entry, workFolder: home, until: new Date(0) },
        run: () => Promise.reject(new Error('no trial is to run')),
      });
      store.close();
      const cells = Object.keys(suite.methods).length + suite.controls.length;
      expect(total).toBe(cells * (suite.tuning.trials + suite.seeds.length));
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});

it('the first table is of at least 15 methods, 3 tasks, 5 seeds and 3 learning rates', async () => {
  const { methods, tasks, seeds, tuning, controls } = await readSuite(join(folder, 'first-table.yaml'));
  expect(Object.keys(methods).length).toBeGreaterThanOrEqual(15);
  expect([tasks.length, seeds.length, tuning.trials]).toEqual([3, 5, 3]);
  // What says of each task whether it counts.
  expect(controls).not.toEqual([]);
});
