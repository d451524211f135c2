import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failure, request, success } from '../fixtures/outcomes.js';
import { composeResult } from './compose-result.js';
import { peftSchema } from './result-file.js';
import { openResultStore } from './result-store.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'store-'));
});
afterAll(() => rm(folder, { recursive: true }));

const surroundings = { commit: { hash: 'abc', isDirty: false }, system: { machine: 'x64' }, packages: {} };
const at = new Date('2026-11-26T03:00:00Z');
const first = composeResult(request(), success(0.75), surroundings, at);
const second = composeResult(request({ key: 'k2', seed: 2 }), failure('it broke'), surroundings, at);

describe('a result', () => {
  it('says to PEFT’s tools what they look for', () => {
    const { run_info, train_info, meta_info } = peftSchema.parse(JSON.parse(JSON.stringify(first)));
    expect(run_info.peft_config).toEqual({ peft_type: 'METHOD', size: 3 });
    // method_comparison/processing.py takes these by name.
    for (const name of ['peft', 'transformers', 'datasets', 'torch', 'bitsandbytes']) {
      expect(meta_info.package_info).toHaveProperty(`${name}-version`);
    }
    expect(run_info.train_config).toHaveProperty('model_id', 'tiny');
    expect(run_info).toMatchObject({ experiment_name: 'method/one', created_at: '2026-11-26T03:00:00.000Z' });
    expect(train_info).toMatchObject({ status: 'success', accelerator_memory_max: 3e8, file_size: 1000 });
    expect(train_info.metrics.at(-1)).toEqual({
      ...{ step: 2, 'test accuracy': 0.75, 'train loss': 0.7, forgetting: 0.5 },
      ...{ 'train samples': 8, 'train total tokens': 40 },
    });
    expect(second.run_info.error_msg).toBe('error: it broke');
  });
});

describe('a store', () => {
  it('holds a file a trial and tables of them, and is whole again without its tables', async () => {
    const store = await openResultStore(folder);
    for (const result of [first, second]) await store.save(result);
    expect(store.get('k1')).toEqual(first);
    expect(store.get('k3')).toBeUndefined();
    expect(store.select("status = 'failed'")).toEqual([second]);
    store.close();
    expect(JSON.parse(await readFile(join(folder, 'trials/k1.json'), 'utf8'))).toEqual({ version: 1, ...first });

    for (const name of await readdir(folder)) if (name.startsWith('results.db')) await rm(join(folder, name));
    await rm(join(folder, 'trials/k2.json'));
    const again = await openResultStore(folder);
    expect(again.select('1')).toEqual([first]);
    again.close();
  });

  it('forgets what files are gone of', async () => {
    await rm(join(folder, 'trials/k1.json'));
    const store = await openResultStore(folder);
    expect(store.select('1')).toEqual([]);
    store.close();
  });
});
