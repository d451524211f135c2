/** What the command line says of a run that is over, and of a learning rate before one. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Explanation, FoundRate } from '@tunesmith/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyModel } from './fixtures/tiny-model.js';

let home: string;
let recipe: readonly string[];
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-runs-'));
  await writeTinyModel(join(home, 'model'));
  const lines = Array.from({ length: 32 }, (_, index) =>
    JSON.stringify({ prompt: `${index % 8}: `, completion: `${index % 8}.` }),
  );
  await writeFile(join(home, 'data.jsonl'), `${lines.join('\n')}\n`);
  recipe = ['--model', 'model', '--data', 'data.jsonl', '--method', 'lora', '--set', 'data.maxLength=16'];
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('runs explain', () => {
  it('says what is wrong with a run, and what to try', async () => {
    const length = ['--steps', '30', '--validation', '0.25', '--set', 'trainer.evaluateEvery=3'];
    const rate = ['--set', 'trainer.learningRate=1e-6'];
    await runJson(home, 'train', ...recipe, ...length, ...rate, '--output', 'slow');
    const found = (await runJson(home, 'runs', 'explain', 'slow')) as unknown as Explanation;
    expect(found.findings).toMatchObject([
      { symptom: 'rate-too-low', change: { key: 'trainer.learningRate', from: 1e-6, to: 1e-5 } },
    ]);
    const { stdout } = await runCli(home, 'runs', 'explain', 'slow');
    expect(stdout).toMatch(
      /^The learning rate is too low: the loss falls .* %.*\n {2}try --set trainer\.learningRate=1e-5 /,
    );
  });

  it('refuses a folder that holds no run', async () => {
    const { code, stdout } = await runCli(home, 'runs', 'explain', 'model', '--json');
    expect([code, JSON.parse(stdout).error.code]).toEqual([2, 'FILE_MISSING']);
  });
});

describe('train --find-learning-rate', () => {
  it('tries rates over a range, suggests one, and writes nothing', async () => {
    const range = ['--find-learning-rate', '1e-5:1', '--steps', '40', '--output', 'none'];
    const found = (await runJson(home, 'train', ...recipe, ...range)) as unknown as FoundRate;
    const { points, suggested, lowest } = found;
    expect(points[0]?.learningRate).toBeCloseTo(1e-5, 10);
    for (const [index, { learningRate }] of points.entries()) {
      expect(learningRate / 10 ** (-5 + (5 * index) / 39)).toBeCloseTo(1, 5);
    }
    expect(suggested).toBeGreaterThan(1e-4);
    expect(suggested).toBeLessThanOrEqual(lowest);
    expect(existsSync(join(home, 'none'))).toBe(false);
    expect(existsSync(join(home, 'runs'))).toBe(false);
  });

  it('refuses a range that is none', async () => {
    const { code, stderr } = await runCli(home, 'train', ...recipe, '--find-learning-rate', '1e-3:1e-7');
    expect(code).toBe(2);
    expect(stderr).toContain('Expected two rates, the lower one first');
  });
});
