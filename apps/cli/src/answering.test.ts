import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyEncoder } from './fixtures/tiny-model.js';

let home: string;
let trained: Record<string, unknown>;
const adapted = ['--model', 'model', '--adapter', 'run/adapter'];
const json = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(home, path), 'utf8')) as Record<string, unknown>;

const animals = ['cat', 'dog', 'film'];
const places = ['mat', 'log', 'plot', 'moment'];

/** Where an animal sits, in one of two sentences; every fourth question is of one that nobody saw. */
function rows(from: number, count: number): string {
  return Array.from({ length: count }, (_, index) => {
    const at = from + index;
    const [one, other] = [animals[at % 3], animals[(at + 1) % 3]];
    const [here, there] = [places[at % 4], places[(3 * at + 1) % 4]];
    const context = `the ${one} sat on the ${here} , and the ${other} sat on the ${there} .`;
    const asked = at % 4 === 3 ? animals[(at + 2) % 3] : at % 2 === 0 ? one : other;
    const text = asked === one ? `the ${here}` : `the ${there}`;
    const answered = at % 4 !== 3;
    const answers = answered
      ? { text: [text], answer_start: [context.indexOf(`on ${text}`, asked === one ? 0 : 20) + 3] }
      : { text: [], answer_start: [] };
    return JSON.stringify({ id: String(at), question: `the ${asked} ?`, context, answers });
  }).join('\n');
}

const context = 'the cat sat on the mat , and the dog sat on the log .';

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-answers-'));
  await writeTinyEncoder(join(home, 'model'));
  await writeFile(join(home, 'data.jsonl'), rows(0, 72));
  await writeFile(join(home, 'held.jsonl'), rows(1, 16));
  await writeFile(
    join(home, 'recipe.yaml'),
    'model: { path: model }\ndata: { train: data.jsonl, validation: held.jsonl }\nmethod: lora\n' +
      'objective: { name: question-answering, nullThreshold: 0 }\nlora: { rank: 8, alpha: 16, targetModules: all-linear }\n' +
      'trainer: { steps: 200, learningRate: 0.01 }\n',
  );
  trained = await runJson(home, 'train', 'recipe.yaml', '--output', 'run');
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('a model that finds answers', () => {
  it('learns them from SQuAD’s rows, and is measured as SQuAD measures', () => {
    expect(trained).toMatchObject({ reason: 'finished' });
    const { metrics } = trained.after as { metrics: Record<string, number> };
    expect(metrics.exactMatch).toBeGreaterThan(0.8);
    expect(metrics.f1).toBeGreaterThanOrEqual(metrics.exactMatch as number);
    expect(metrics).toMatchObject({ hasAnswerF1: expect.any(Number), noAnswerExactMatch: expect.any(Number) });
  });

  it('is an adapter of PEFT, head and all', () => {
    expect(json('run/adapter/adapter_config.json')).toMatchObject({
      task_type: 'QUESTION_ANS',
      modules_to_save: ['qa_outputs'],
    });
    expect(json('run/adapter/tunesmith.json')).toMatchObject({
      objective: { name: 'question-answering', nullThreshold: 0, docStride: 128 },
    });
  });

  it('answers, apart from its adapter and merged', async () => {
    const asked = ['--question', 'the cat ?', '--context', context];
    const [apart] = (await runJson(home, 'answer', ...adapted, ...asked)) as unknown as Record<string, unknown>[];
    expect(apart).toMatchObject({ question: 'the cat ?', answer: 'the mat' });
    expect(context.slice(apart?.start as number, apart?.end as number)).toBe('the mat');
    await runJson(home, 'merge', ...adapted, '--output', 'merged');
    expect(json('merged/config.json')).toMatchObject({ architectures: ['BertForQuestionAnswering'] });
    const [merged] = (await runJson(home, 'answer', '--model', 'merged', ...asked)) as unknown as Record<
      string,
      unknown
    >[];
    expect(merged).toMatchObject({ answer: 'the mat', start: apart?.start, end: apart?.end });
    const held = [
      '--data',
      'held.jsonl',
      ...['--set', 'objective.name=question-answering', '--set', 'objective.nullThreshold=0'],
    ];
    const [one, other] = [
      await runJson(home, 'eval', ...adapted, '--data', 'held.jsonl'),
      await runJson(home, 'eval', '--model', 'merged', ...held),
    ];
    expect(other).toEqual({ ...one, loss: expect.closeTo(one.loss as number, 5) });
    const shown = await runCli(home, 'answer', '--model', 'merged', ...asked);
    expect(shown.stdout).toMatch(/^the mat [\d.]+ {2}the cat \?/);
  });

  it('answers a file of questions, nothing where the passage does not', async () => {
    const lines = rows(3, 9)
      .split('\n')
      .map((line) => JSON.parse(line) as { answers: { text: string[] } });
    await writeFile(join(home, 'asked.jsonl'), lines.map(({ answers: _, ...row }) => JSON.stringify(row)).join('\n'));
    const found = (await runJson(home, 'answer', ...adapted, '--questions', 'asked.jsonl')) as unknown as {
      answer: string;
    }[];
    const right = found.filter(({ answer }, index) => answer === (lines[index]?.answers.text[0] ?? ''));
    expect(right.length).toBeGreaterThanOrEqual(7);
    const forced = (await runJson(
      ...([home, 'answer', ...adapted, '--questions', 'asked.jsonl', '--null-threshold', '1e9'] as const),
    )) as unknown as { answer: string }[];
    expect(forced.every(({ answer }) => answer !== '')).toBe(true);
  });

  it('finds them in passages of several rows', async () => {
    const long = `${'the film sat on the plot . '.repeat(8)}${context}`;
    const asked = ['--question', 'the cat ?', '--context', long, '--max-length', '24', '--null-threshold', '1e9'];
    const [found] = (await runJson(home, 'answer', ...adapted, ...asked)) as unknown as Record<string, unknown>[];
    expect(found?.answer).not.toBe('');
    expect(long.slice(found?.start as number, found?.end as number)).toBe(found?.answer);
    const narrow = await runJson(home, 'eval', ...adapted, '--data', 'held.jsonl', '--set', 'data.maxLength=14');
    expect(narrow.rows).toBeGreaterThan(16);
    expect((narrow.metrics as Record<string, number>).exactMatch).toBeCloseTo(
      Math.round(16 * (narrow.metrics as { exactMatch: number }).exactMatch) / 16,
      12,
    );
  });

  it('checks its data', async () => {
    const { stdout } = await runCli(
      home,
      'data',
      'check',
      'data.jsonl',
      '--model',
      'model',
      '--set',
      'objective.name=question-answering',
      '--set',
      'objective.nullThreshold=0',
    );
    expect(stdout).toMatch(/no answer +18 questions/);
    expect(stdout).toMatch(/→ the /);
  });

  it('is refused what it cannot do', async () => {
    const recipe = readFileSync(join(home, 'recipe.yaml'), 'utf8').replace(', nullThreshold: 0', '');
    await writeFile(join(home, 'strict.yaml'), recipe);
    const strict = await runCli(home, 'train', 'strict.yaml', '--output', 'strict');
    expect(strict.stderr).toMatch(/DATA_INVALID at .*data\.jsonl:4: the question has no answer.*nullThreshold/s);
    const packed = await runCli(home, 'train', 'recipe.yaml', '--set', 'data.packing=true', '--output', 'packed');
    expect(packed.stderr).toMatch(/data\.packing: not for question-answering: a row asks one question/);
    const alone = await runCli(home, 'answer', ...adapted, '--question', 'who ?');
    expect(alone.stderr).toMatch(/CONFIG_INVALID.*--question with --context/);
    const other = await runCli(home, 'answer', '--model', 'model', '--question', 'a', '--context', 'b');
    expect(other.stderr).toMatch(/CAPABILITY_MISSING.*finds no answers/);
    await writeFile(
      join(home, 'wrong.jsonl'),
      '{"question":"a","context":"the cat","answers":{"text":["dog"],"answer_start":[4]}}\n',
    );
    const wrong = await runCli(home, 'train', 'recipe.yaml', '--set', 'data.train=wrong.jsonl', '--output', 'wrong');
    expect(wrong.stderr).toMatch(
      /DATA_INVALID at .*wrong\.jsonl:1, column answers\[0\].*does not stand in the passage, got "cat"/s,
    );
  });
});
