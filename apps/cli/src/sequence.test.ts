/** Tasks one after another: what a sequence writes, that it goes on where it was, and what its methods need. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { latestCheckpoint, readCheckpoint } from '@tunesmith/checkpoints';
import type { SequenceResult } from '@tunesmith/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyModel } from './fixtures/tiny-model.js';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-sequence-'));
  await writeTinyModel(join(home, 'model'));
  const task = (answer: (index: number) => string): string =>
    Array.from({ length: 12 }, (_, index) =>
      JSON.stringify({ prompt: `${index % 6}: `, completion: answer(index) }),
    ).join('\n');
  await writeFile(join(home, 'a.jsonl'), `${task((index) => `${index % 6}.`)}\n`);
  await writeFile(join(home, 'b.jsonl'), `${task((index) => `${9 - (index % 6)}!`)}\n`);
});
afterAll(() => rm(home, { recursive: true, force: true }));

const recipe = {
  model: { path: 'model' },
  tasks: ['a', 'b'].map((name) => ({ name, train: `${name}.jsonl`, validation: `${name}.jsonl` })),
  data: { maxLength: 16, promptLossWeight: 0 },
  trainer: { steps: 12, batchSize: 4, learningRate: 0.02, evaluateEvery: 100, seed: 1 },
};

async function sequence(name: string, changes: object): Promise<SequenceResult> {
  await writeFile(join(home, `${name}.yaml`), stringify({ ...recipe, output: name, ...changes }));
  return (await runJson(home, 'sequence', `${name}.yaml`)) as unknown as SequenceResult;
}

describe('sequence', () => {
  it('learns each task from what the one before left, measures all, and goes on where it was', async () => {
    const found = await sequence('plain', { method: 'lora' });
    const [before, first, second] = found.losses as [number[], number[], number[]];
    expect(found.tasks).toEqual(['a', 'b']);
    expect(first[0]).toBeLessThan(before[0] as number);
    expect(second[1]).toBeLessThan(first[1] as number);
    expect(found.averageForgetting).toBeCloseTo(Math.max(0, (second[0] as number) - (first[0] as number)), 6);
    const { model } = await readRecipe('plain/2-b');
    expect(model.path).toBe(join(home, 'plain/1-a/merged'));
    expect(existsSync(join(home, 'plain/2-b/merged/model.safetensors'))).toBe(true);

    // What is there is not made again; what is missing is, to the same bits.
    await unlink(join(home, 'plain/matrix.json'));
    await rm(join(home, 'plain/2-b'), { recursive: true });
    const again = (await runJson(home, 'sequence', 'plain.yaml')) as unknown as SequenceResult;
    expect(again.losses).toEqual(found.losses);
  }, 300_000);

  it('keeps more of the first task with consolidation and replay, each run knowing the rows of those before', async () => {
    const naive = await sequence('naive', { method: 'lora' });
    const kept = await sequence('kept', {
      method: ['lora', 'ewc'],
      ewc: { lambda: 1, samples: 8 },
      data: { ...recipe.data, replay: 0.5 },
    });
    expect(kept.losses[0]).toEqual(naive.losses[0]);
    expect(kept.losses[2]?.[0]).toBeLessThan(naive.losses[2]?.[0] as number);
    expect((await readRecipe('kept/1-a')).data.earlier).toEqual([]);
    expect((await readRecipe('kept/2-b')).data.earlier).toEqual([join(home, 'a.jsonl')]);
    const metrics = await readFile(join(home, 'kept/2-b/metrics.jsonl'), 'utf8');
    expect(metrics).toContain('"ewc.penalty"');
    // Consolidation acts in training alone.
    expect(existsSync(join(home, 'kept/2-b/adapter/adapter_config.json'))).toBe(true);
  }, 300_000);

  it('tells each run of the one before, whose consolidation goes on without the rows of those before it', async () => {
    const { model: _, ...online } = recipe;
    const third = { name: 'c', train: 'a.jsonl', validation: 'b.jsonl' };
    await sequence('online', {
      ...{ ...online, model: { path: 'model' }, tasks: [...recipe.tasks, third], carryOn: true },
      ...{ method: ['full', 'ewc'], ewc: { lambda: 1, samples: 4, gamma: 0.5 } },
    });
    const last = await readRecipe('online/3-c');
    expect(last).toMatchObject({ previous: join(home, 'online/2-b'), data: { earlier: [join(home, 'b.jsonl')] } });
    expect(await readRecipe('online/1-a')).not.toHaveProperty('previous');
    // F of the third run is half of the second's and more.
    const kept = async (run: string): Promise<[string, number[]][]> => {
      const { tensors } = await readCheckpoint((await latestCheckpoint(join(home, run, 'checkpoints'))) as string);
      const fisher = Object.entries(tensors).filter(([name]) => name.endsWith('.fisher'));
      return fisher.map(([name, { values }]) => [name, [...values].map(Number)]);
    };
    const before = new Map(await kept('online/2-b'));
    const sum = (values: readonly number[] = []): number => values.reduce((total, value) => total + value, 0);
    for (const [name, values] of await kept('online/3-c')) {
      for (const [index, value] of values.entries())
        expect(value).toBeGreaterThanOrEqual(0.4999 * (before.get(name)?.[index] as number));
    }
    const total = [...before.values()].reduce((all, values) => all + sum(values), 0);
    expect(total).toBeGreaterThan(0);

    await writeFile(join(home, 'alone.yaml'), stringify({ ...recipe, method: 'lora', output: 'alone', carryOn: true }));
    const { code, stdout } = await runCli(home, 'sequence', 'alone.yaml', '--json');
    expect([code, JSON.parse(stdout).error.message]).toEqual([2, expect.stringContaining('previous: no method')]);
  }, 300_000);

  it('runs the recipe of the examples', async () => {
    const example = fileURLToPath(new URL('../../../examples/recipes/sequence/ewc.yaml', import.meta.url));
    const found = (await runJson(home, 'sequence', example, '--output', 'example')) as unknown as SequenceResult;
    expect(found.tasks).toEqual(['notes', 'capitals']);
    expect(found.losses[1]?.[0]).toBeLessThan(0.7 * (found.losses[0]?.[0] as number));
    expect(found.losses[2]?.[1]).toBeLessThan(found.losses[1]?.[1] as number);
  }, 300_000);

  it('says what is wrong with a sequence, and refuses consolidation without earlier rows', async () => {
    await writeFile(join(home, 'wrong.yaml'), stringify({ ...recipe, tasks: [{ name: 'a', train: 'a.jsonl' }] }));
    const { code, stdout } = await runCli(home, 'sequence', 'wrong.yaml', '--json');
    expect([code, JSON.parse(stdout).error.message]).toEqual([2, expect.stringContaining('tasks.0.validation')]);
    const flags = [
      '--model',
      'model',
      '--data',
      'a.jsonl',
      '--method',
      'lora',
      '--method',
      'ewc',
      '--set',
      'data.maxLength=16',
    ];
    const alone = await runCli(home, 'train', ...flags, '--steps', '2', '--json');
    expect(alone.code).toBe(2);
    expect(alone.stdout).toContain('data.earlier');
  }, 60_000);
});

async function readRecipe(run: string): Promise<{ model: { path: string }; data: { earlier: string[] } }> {
  const { parse } = await import('yaml');
  return parse(await readFile(join(home, run, 'recipe.yaml'), 'utf8'));
}
