import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyT5 } from './fixtures/tiny-model.js';

let home: string;
let trained: Record<string, unknown>;
const adapted = ['--model', 'model', '--adapter', 'run/adapter'];
const asked = ['--prompt', 'say bee', '--max-tokens', '6'];
const json = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(home, path), 'utf8')) as Record<string, unknown>;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-seq2seq-'));
  await writeTinyT5(join(home, 'model'));
  const pair = (prompt: string, completion: string) => JSON.stringify({ prompt, completion });
  const rows = [pair('say ant', 'ant'), pair('say bee', 'bee')];
  await writeFile(join(home, 'data.jsonl'), `${[...rows, ...rows, ...rows, ...rows].join('\n')}\n`);
  await writeFile(
    join(home, 'recipe.yaml'),
    'model: { path: model }\ndata: { train: data.jsonl, validation: data.jsonl }\nmethod: lora\n' +
      'lora: { targetModules: all-linear, rank: 4 }\ntrainer: { steps: 40, learningRate: 0.01 }\n',
  );
  trained = await runJson(home, 'train', 'recipe.yaml', '--output', 'run');
}, 60_000);
afterAll(() => rm(home, { recursive: true, force: true }));

describe('an encoder-decoder', () => {
  it('learns answers to what its encoder reads, by seq2seq without a word', () => {
    const { loss } = trained.after as { loss: number };
    expect(loss).toBeLessThan(0.5);
    const { objective } = parse(readFileSync(join(home, 'run/recipe.yaml'), 'utf8')) as { objective: unknown };
    expect(objective).toMatchObject({ name: 'seq2seq', answerStart: 2 });
    expect(json('run/adapter/adapter_config.json')).toMatchObject({ task_type: 'SEQ_2_SEQ_LM' });
  });

  it('is evaluated, generates, and is merged to the same', async () => {
    const { loss } = trained.after as { loss: number };
    expect(await runJson(home, 'eval', ...adapted, '--data', 'data.jsonl')).toMatchObject({
      loss: expect.closeTo(loss, 4),
      perplexity: expect.closeTo(Math.exp(loss), 3),
      rows: 8,
    });
    expect(await runJson(home, 'generate', ...adapted, ...asked)).toMatchObject({ text: 'bee' });
    await runJson(home, 'merge', ...adapted, '--output', 'merged');
    expect(await runJson(home, 'generate', '--model', 'merged', ...asked)).toMatchObject({ text: 'bee' });
  });

  it('answers the prompts of data, and is measured by what it should have said', async () => {
    const measured = ['eval', ...adapted, '--data', 'data.jsonl', '--generate', '--max-tokens', '6'];
    const result = await runJson(home, ...measured, '--answers', 'answers.jsonl');
    expect(result).toMatchObject({ rows: 8, metrics: { exactMatch: 1, rougeL: 1 } });
    const lines = readFileSync(join(home, 'answers.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual(result.answers);
    expect(result.answers).toMatchObject([
      { prompt: 'say ant', expected: 'ant', text: 'ant' },
      { text: 'bee' },
      ...Array(6).fill({}),
    ]);
    const untrained = await runJson(home, 'eval', '--model', 'model', ...measured.slice(3 + 2));
    expect(untrained).toMatchObject({ rows: 8, metrics: { exactMatch: 0 } });
    const shown = await runCli(home, ...measured);
    expect(shown.stdout).toMatch(/said +ant\n +expected +ant[\s\S]*exactMatch 1.*over 8 answers/);
    const unasked = await runCli(home, 'eval', ...adapted, '--data', 'data.jsonl', '--answers', 'a.jsonl');
    expect(unasked.stderr).toMatch(/CONFIG_INVALID.*there are no answers to write.*--generate/);
  });

  it('has its data checked as it is trained', async () => {
    const check = await runJson(home, 'data', 'check', 'data.jsonl', '--model', 'model');
    expect(check).toMatchObject({
      duplicates: 6,
      example: { spans: [{ text: 'say ant</s>', weight: 0 }, { weight: 0 }, { text: 'ant</s>', weight: 1 }] },
    });
  });

  it('is planned over its own rows', async () => {
    const plan = await runJson(home, 'plan', 'recipe.yaml');
    expect(plan).toMatchObject({ family: 't5', rows: 8 });
    expect(JSON.stringify(plan)).toContain('EncDecAttention');
  });

  it('packs nothing, and says so before anything is computed', async () => {
    const { code, stderr } = await runCli(home, 'train', 'recipe.yaml', '--set', 'data.packing=true');
    expect(code).toBeGreaterThan(0);
    expect(stderr).toMatch(/data\.packing.*an encoder reads one text for each row/);
  });
});
