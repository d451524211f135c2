/** Distillation by sequences: a tuned teacher writes data, stopped or not to the same bits, and a student of another kind learns from it. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runJson, startCli } from './fixtures/run-cli.js';
import { writeTinyModel, writeTinyT5 } from './fixtures/tiny-model.js';

let home: string;
const teacher = ['--model', 'model', '--adapter', 'teacher/adapter', '--max-tokens', '6'];
const generate = (...flags: string[]) => runJson(home, 'generate', ...teacher, ...flags);
const text = (path: string): string => readFileSync(join(home, path), 'utf8');
const rowsOf = (path: string): object[] =>
  text(path)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
const write = (path: string, rows: readonly object[]) =>
  writeFile(join(home, path), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-generate-data-'));
  await writeTinyModel(join(home, 'model'));
  await writeTinyT5(join(home, 'student'));
  const pairs = Array.from({ length: 6 }, (_, index) => ({ prompt: `${index}: `, completion: `${index}.` }));
  await write('pairs.jsonl', pairs);
  await write(
    'prompts.jsonl',
    pairs.map(({ prompt }) => ({ prompt })),
  );
  const shape = [
    '--set',
    'lora.targetModules=all-linear',
    '--set',
    'data.maxLength=16',
    '--set',
    'data.promptLossWeight=0',
  ];
  const rate = ['--set', 'trainer.learningRate=0.02', '--steps', '80'];
  const flags = ['--model', 'model', '--data', 'pairs.jsonl', '--method', 'lora', '--output', 'teacher'];
  await runJson(home, 'train', ...flags, ...shape, ...rate);
}, 120_000);
afterAll(() => rm(home, { recursive: true, force: true }));

describe('generate --data', () => {
  it('writes what a tuned teacher says, from which a student with another tokenizer learns it', async () => {
    const made = await generate('--data', 'prompts.jsonl', '--output', 'answers.jsonl');
    expect(made).toMatchObject({ prompts: 6, answers: 6, kept: 6, seconds: expect.any(Number) });
    expect(rowsOf('answers.jsonl')).toEqual(rowsOf('pairs.jsonl'));
    expect(JSON.parse(text('answers.jsonl.source.json'))).toEqual(made);

    const held = ['--data', 'answers.jsonl', '--validation', 'pairs.jsonl', '--method', 'lora', '--steps', '40'];
    const rate = ['--set', 'trainer.learningRate=0.02', '--set', 'lora.targetModules=all-linear'];
    const trained = await runJson(home, 'train', '--model', 'student', ...held, ...rate, '--output', 'student-run');
    const { before, after } = trained as Record<'before' | 'after', { loss: number }>;
    expect(after.loss).toBeLessThan(0.5 * before.loss);
  }, 120_000);

  it('goes on where it was killed to the same bits, and makes nothing again that is there', async () => {
    const sampled = ['--data', 'prompts.jsonl', '--samples', '20', '--batch-size', '2', '--temperature', '1.5'];
    await generate(...sampled, '--output', 'whole.jsonl');
    // Batches are drawn apart: the answers to a prompt differ.
    expect(rowsOf('whole.jsonl').length).toBeGreaterThan(12);

    const flags = ['generate', ...teacher, ...sampled, '--output', 'killed.jsonl', '--json'];
    const { process: child, done } = startCli(home, ...flags);
    const partial = 'killed.jsonl.partial';
    const lines = (): number => (existsSync(join(home, partial)) ? text(partial).split('\n').length - 1 : 0);
    while (lines() < 4 && child.exitCode === null) await delay(2);
    child.kill('SIGKILL');
    await done;
    expect(lines()).toBeLessThan(61);
    expect(existsSync(join(home, 'killed.jsonl'))).toBe(false);
    const saved = text(partial);
    // A line that was being written is no batch.
    await writeFile(join(home, partial), `${saved}{"seconds":`);
    const made = await runJson(home, ...flags.slice(0, -1));
    expect(text('killed.jsonl')).toBe(text('whole.jsonl'));
    expect(existsSync(join(home, partial))).toBe(false);

    // Whole batches are taken as they are: an answer that the model never gave comes out again.
    const [head, first, ...more] = saved.split('\n');
    const batch = JSON.parse(first as string) as { answers: object[] };
    const planted = { ...batch, answers: [{ text: 'planted', ended: true }, ...batch.answers.slice(1)] };
    await writeFile(join(home, 'planted.jsonl.partial'), [head, JSON.stringify(planted), ...more].join('\n'));
    await generate(...sampled, '--output', 'planted.jsonl');
    expect(text('planted.jsonl')).toContain('planted');

    // The same seconds to the last digit: nothing was computed.
    expect(await runJson(home, ...flags.slice(0, -1))).toEqual(made);
    const other = await runJson(home, ...flags.slice(0, -1), '--seed', '1');
    expect(other.hash).not.toBe(made.hash);
    expect(text('killed.jsonl')).not.toBe(text('whole.jsonl'));
  }, 180_000);

  it('leaves out what is unfinished, said twice, or wrong', async () => {
    await write('wrong.jsonl', [
      { prompt: '1: ', completion: '1.' },
      { prompt: '2: ', completion: '7.' },
    ]);
    const twice = ['--data', 'wrong.jsonl', '--samples', '2', '--correct-only'];
    expect(await generate(...twice, '--output', 'correct.jsonl')).toMatchObject({
      kept: 1,
      dropped: { unfinished: 0, empty: 0, duplicate: 1, wrong: 2 },
    });
    expect(rowsOf('correct.jsonl')).toEqual([{ prompt: '1: ', completion: '1.' }]);
    const cut = await runCli(home, 'generate', ...teacher, '--max-tokens', '1', ...twice, '--output', 'cut.jsonl');
    expect([cut.code, cut.stderr]).toEqual([2, expect.stringMatching(/no answer is left[\s\S]*4 unfinished/)]);
    expect(existsSync(join(home, 'cut.jsonl'))).toBe(false);
  }, 60_000);

  it('keeps conversations and instructions in their own words', async () => {
    const asked = { role: 'user', content: '3: ' };
    await write('chat.jsonl', [{ messages: [asked, { role: 'assistant', content: 'x' }] }]);
    await write('chat-prompts.jsonl', [{ prompt: [asked] }]);
    await write('instructions.jsonl', [
      { instruction: '3: ', input: '', output: 'x', system: 's', history: [['a', 'b']] },
    ]);
    const any = ['--temperature', '4', '--samples', '60', '--max-tokens', '30'];
    for (const name of ['chat', 'chat-prompts', 'instructions']) {
      await generate('--data', `${name}.jsonl`, '--output', `${name}-answers.jsonl`, ...any);
    }
    const chat = { messages: [asked, { role: 'assistant', content: expect.any(String) }] };
    expect(rowsOf('chat-answers.jsonl')[0]).toEqual(chat);
    expect(rowsOf('chat-prompts-answers.jsonl')).toEqual(rowsOf('chat-answers.jsonl'));
    const instruction = {
      instruction: '3: ',
      input: '',
      output: expect.any(String),
      system: 's',
      history: [['a', 'b']],
    };
    expect(rowsOf('instructions-answers.jsonl')[0]).toEqual(instruction);
  }, 60_000);

  it('touches no file that it did not write, and says what it cannot do', async () => {
    const refused = async (...flags: string[]) => (await runCli(home, 'generate', ...teacher, ...flags)).stderr;
    const before = text('pairs.jsonl');
    expect(await refused('--data', 'prompts.jsonl', '--output', 'pairs.jsonl')).toMatch(/was not generated/);
    expect(text('pairs.jsonl')).toBe(before);
    expect(await refused('--data', 'prompts.jsonl')).toMatch(/--data and --output/);
    expect(await refused('--prompt', 'a', '--samples', '2')).toMatch(/--data and --output/);
    expect(await refused('--data', 'prompts.jsonl', '--output', 'x.jsonl', '--chat')).toMatch(/without --prompt/);
    expect(await refused('--data', 'prompts.jsonl', '--output', 'x.jsonl', '--correct-only')).toMatch(
      /an answer beside/,
    );
  }, 60_000);
});
