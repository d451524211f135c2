/** The two paths of the examples, with few steps: what they write, that they go on where they were, and that a gate holds them up. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SequenceComparison, SequenceResult } from '@tunesmith/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli, runJson, startCli } from './fixtures/run-cli.js';
import { writeTinyData, writeTinyModel } from './fixtures/tiny-model.js';

const examples = fileURLToPath(new URL('../../../examples/recipes/', import.meta.url));
const quickstart = fileURLToPath(new URL('../../../packages/zoo/data/quickstart.jsonl', import.meta.url));

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-paths-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

type Task = Record<string, unknown> & { name: string };
type Recipe = Record<string, unknown> & { tasks: Task[] };

/** Writes an example's recipe with some of it changed, its paths as they were. */
async function shortened(example: string, file: string, changes: object, tasks: Record<string, object>): Promise<void> {
  const path = join(examples, example);
  const recipe = parse(readFileSync(path, 'utf8')) as Recipe;
  const absolute = (value: unknown): unknown => {
    if (typeof value === 'string') return /\.jsonl$|\/model$/.test(value) ? resolve(dirname(path), value) : value;
    if (Array.isArray(value)) return value.map(absolute);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, absolute(each)]));
  };
  const { tasks: listed, ...rest } = absolute(recipe) as Recipe;
  for (const name of Object.keys(tasks)) expect(listed.map((task) => task.name)).toContain(name);
  const changed = listed.map((task) => ({ ...task, ...tasks[task.name] }));
  await writeFile(join(home, file), JSON.stringify({ ...rest, ...changes, tasks: changed }));
}

const at = (path: string): string => join(home, path);
const textOf = (path: string): string => readFileSync(at(path), 'utf8');
const steps = (run: string): number[] =>
  !existsSync(at(`${run}/metrics.jsonl`))
    ? []
    : textOf(`${run}/metrics.jsonl`)
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { type: string; step: number })
        .flatMap(({ type, step }) => (type === 'step' ? [step] : []));

/** Starts a sequence and kills it as soon as something is so. */
async function killWhen(file: string, output: string, isSo: () => boolean): Promise<void> {
  const { process: cli, done } = startCli(home, 'sequence', file, '--output', output);
  let ended = false;
  void done.then(() => {
    ended = true;
  });
  while (!isSo()) {
    if (ended) throw new Error(`it ended before: ${(await done).stdout}${(await done).stderr}`);
    await delay(5);
  }
  cli.kill('SIGKILL');
  await done;
}

describe('the distillation path', () => {
  const trainer = { learningRate: 1e-3 };
  const tasks = {
    teacher: { trainer: { ...trainer, steps: 16 }, gate: { quality: 0.01 } },
    alone: { trainer: { ...trainer, steps: 6 } },
    distilled: {
      trainer: { ...trainer, steps: 48, checkpointEvery: 8 },
      generate: { by: 'teacher', prompts: join(examples, 'distillation-path/prompts.jsonl'), maxNewTokens: 48 },
    },
  };
  const measure = {
    data: resolve(dirname(quickstart), 'heldout.jsonl'),
    metric: 'loss',
    prices: { cpu: { perHour: 3.6, source: 'made up' } },
  };
  const write = (changes: object): Promise<void> =>
    shortened('distillation-path/distillation-path.yaml', 'distil.json', { measure }, { ...tasks, ...changes });

  it('has rows of its own from the quickstart’s', () => {
    const lines = (path: string): string[] => readFileSync(path, 'utf8').trimEnd().split('\n');
    const [few, prompts] = ['few', 'prompts'].map((name) => lines(join(examples, `distillation-path/${name}.jsonl`)));
    const all = lines(quickstart);
    expect(few).toEqual(all.slice(0, 128));
    const asked = all.slice(128).map((line) => (JSON.parse(line) as { messages: unknown[] }).messages.slice(0, 1));
    expect(prompts?.map((line) => JSON.parse(line))).toEqual(asked.map((prompt) => ({ prompt })));
  });

  it('stops at a gate that is not passed, says how to mend it, and goes on once it is', async () => {
    await write({});
    for (const _ of ['first', 'again']) {
      const { code, stdout } = await runCli(home, 'sequence', 'distil.json', '--output', 'distil', '--json');
      const { error } = JSON.parse(stdout.trimEnd().split('\n').at(-1) as string) as { error: Record<string, string> };
      expect([code, error.code]).toEqual([1, 'GATE_FAILED']);
      expect(error.message).toMatch(/at .*1-teacher: the task "teacher".*expected loss of at most 0\.01, got loss \d/);
      expect(error.hint).toContain('remove this folder');
    }
    expect(existsSync(at('distil/2-alone'))).toBe(false);

    // Killed while the teacher writes, and then while the student learns, it loses neither.
    await write({ teacher: { ...tasks.teacher, gate: { quality: 6 } } });
    const partial = 'distil/3-distilled.generated.jsonl.partial';
    const batches = (): number => (existsSync(at(partial)) ? textOf(partial).split('\n').length - 2 : 0);
    await killWhen('distil.json', 'distil', () => batches() >= 3);
    await writeFile(
      at(partial),
      textOf(partial).replace(/"text":"(?:[^"\\]|\\.)*","ended":\w+/, '"text":"a mark of ours","ended":true'),
    );
    await killWhen('distil.json', 'distil', () => steps('distil/3-distilled').length >= 16);
    while (existsSync(at('distil/3-distilled/run.lock'))) await delay(5);
    expect(steps('distil/3-distilled').length).toBeLessThan(48);
    expect(textOf('distil/3-distilled.generated.jsonl')).toContain('a mark of ours');

    const kept = ['1-teacher/model/model.safetensors', '2-alone/metrics.jsonl', '3-distilled.generated.jsonl'];
    const times = (): number[] => kept.map((path) => statSync(at(`distil/${path}`)).mtimeMs);
    const measures = () => (JSON.parse(textOf('distil/measures.json')) as { tasks: Record<string, object> }).tasks;
    const [before, measured] = [times(), measures()];
    const result = (await runJson(
      home,
      'sequence',
      'distil.json',
      '--output',
      'distil',
    )) as unknown as SequenceResult & {
      page: string;
      comparison: SequenceComparison;
    };
    expect(times()).toEqual(before);
    expect(measures()).toMatchObject(measured);
    expect(steps('distil/3-distilled')).toEqual(Array.from({ length: 48 }, (_, index) => index + 1));

    expect(result.losses).toEqual([]);
    const [teacher, alone, distilled] = result.comparison.tasks;
    expect(result.comparison).toMatchObject({ metric: 'loss', higherIsBetter: false, device: 'cpu' });
    expect(distilled?.quality).toBeLessThan(alone?.quality as number);
    expect(alone?.parameters).toBe(distilled?.parameters);
    // Two of four layers under one embedding.
    expect(alone?.parameters).toBeLessThan(0.7 * (teacher?.parameters as number));
    expect(alone?.modelBytes).toBeLessThan(0.7 * (teacher?.modelBytes as number));
    expect(distilled).toMatchObject({ needs: ['teacher'], rows: 40, secondsPerAnswer: null });
    const { trainSeconds = 0, generateSeconds = 0, totalSeconds, money } = distilled ?? {};
    expect(generateSeconds).toBeGreaterThan(0);
    expect(totalSeconds).toBeCloseTo((teacher?.trainSeconds as number) + trainSeconds + generateSeconds, 6);
    expect(money).toBeCloseTo((totalSeconds as number) / 1000, 9);

    const page = readFileSync(result.page, 'utf8');
    expect(result.page).toBe(at('distil/comparison.html'));
    for (const text of ['money for training', 'time with all that it was made from', 'made up', 'size of the model']) {
      expect(page).toContain(text);
    }
    expect(page.match(/<svg/g)?.length).toBeGreaterThanOrEqual(5);
    expect(page).not.toMatch(/(src|href)="http/);
  }, 180_000);

  it('prints what came of it as a table', async () => {
    const { code, stdout } = await runCli(home, 'sequence', 'distil.json', '--output', 'distil');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^task +loss +training +writing rows +all told +price +peak +trained +parameters\n/);
    expect(stdout).toMatch(/\nteacher +\d.* – .*\nalone +\d.* – .*\ndistilled +\d.* \d+\.\d s /);
    expect(stdout).toContain('distilled: all told and price are with teacher.\nAn hour of cpu: 3.6 (made up).');
    expect(stdout).toMatch(/Quality against cost: distil\/comparison\.html\n$/);
  });

  it('measures again what was trained again, and nothing else', async () => {
    const kept = (): { version: number; tasks: Record<string, { loss: number }> } =>
      JSON.parse(textOf('distil/measures.json'));
    await write({
      teacher: { ...tasks.teacher, gate: { quality: 6 } },
      alone: { trainer: { ...trainer, steps: 4 } },
    });
    await rm(at('distil/2-alone'), { recursive: true });
    // A number that no measurement gives.
    const { tasks: before, ...rest } = kept();
    const marked = Object.fromEntries(Object.entries(before).map(([name, task]) => [name, { ...task, loss: 77 }]));
    await writeFile(at('distil/measures.json'), JSON.stringify({ ...rest, tasks: marked }));
    await runJson(home, 'sequence', 'distil.json', '--output', 'distil');
    const after = kept().tasks;
    expect([after.teacher?.loss, after.distilled?.loss]).toEqual([77, 77]);
    expect(after.alone?.loss).toBeLessThan(10);
    expect(after.alone?.loss).not.toBe(before.alone?.loss);
  }, 60_000);
});

describe('the progression path', () => {
  it('goes from the cheapest model to the best, and draws quality against price', async () => {
    const trainer = { learningRate: 1e-3, batchSize: 4 };
    await shortened(
      'progression/progression.yaml',
      'progression.json',
      {},
      {
        code: { trainer: { ...trainer, steps: 4 }, gate: { loss: 6 } },
        data: { trainer: { ...trainer, steps: 6 }, gate: { loss: 6 } },
        limit: { trainer: { ...trainer, steps: 8 }, gate: { loss: 6 } },
      },
    );
    const found = (await runJson(home, 'sequence', 'progression.json', '--output', 'progression')) as unknown as {
      page: string;
      comparison: SequenceComparison;
    };
    const { tasks, metric } = found.comparison;
    expect([metric, tasks.map(({ task }) => task)]).toEqual(['rougeL', ['code', 'data', 'limit']]);
    const sizes = tasks.map(({ parameters }) => parameters);
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
    for (const task of tasks) {
      expect(Object.keys(task.metrics).sort()).toEqual(['bleu', 'exactMatch', 'rougeL']);
      expect(task.secondsPerAnswer).toBeGreaterThan(0);
      expect(task).toMatchObject({ needs: [], generateSeconds: 0, quality: task.metrics.rougeL });
    }
    expect(readFileSync(found.page, 'utf8')).toContain('time of an answer');
    // A layer, two, and the bundled model itself.
    const configs = tasks.map(({ model }) => JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')));
    expect(configs.map((config) => config.num_hidden_layers)).toEqual([1, 2, 4]);
  }, 180_000);
});

describe('a task that names another for its teacher', () => {
  it('follows that task’s model, and costs what it cost', async () => {
    await writeTinyModel(at('model'));
    await writeTinyData(at('rows.jsonl'));
    const rows = { train: 'rows.jsonl', validation: 'rows.jsonl' };
    await writeFile(
      at('taught.json'),
      JSON.stringify({
        ...{ model: { path: 'model' }, method: 'lora', trainer: { steps: 4, batchSize: 4 } },
        measure: { data: 'rows.jsonl', metric: 'loss' },
        tasks: [
          { name: 'big', ...rows },
          { name: 'small', ...rows, model: { layers: [1] }, objective: { name: 'distillation', teacher: 'big' } },
          { name: 'on', ...rows },
        ],
      }),
    );
    const found = (await runJson(home, 'sequence', 'taught.json', '--output', 'taught')) as unknown as SequenceResult;
    const [small, on] = ['2-small', '3-on'].map(
      (run) => parse(textOf(`taught/${run}/recipe.yaml`)) as Record<string, object>,
    );
    expect(small?.objective).toMatchObject({ name: 'distillation', teacher: at('taught/1-big/merged') });
    expect(small?.model).toMatchObject({ path: expect.stringMatching(/taught\/models\/model-layers-1-\w{8}$/) });
    expect(on?.model).toMatchObject({ path: at('taught/2-small/merged') });
    expect(found.comparison?.tasks.map(({ needs }) => needs)).toEqual([[], ['big'], ['big', 'small']]);
    expect(found.comparison?.tasks.map(({ money }) => money)).toEqual([null, null, null]);
    // One layer of two, and no matrix over models.
    const [big, cut] = found.comparison?.tasks ?? [];
    expect(cut?.parameters).toBeLessThan(big?.parameters as number);
    expect(found.losses).toEqual([]);
  }, 60_000);
});

describe('what is wrong with a path', () => {
  const data = { train: quickstart, validation: quickstart };
  const base = { model: { path: 'none' }, method: 'full', measure: { data: quickstart } };
  it.each([
    [
      'a metric that nothing has',
      { measure: { data: quickstart, metric: 'exactmatch' } },
      [{ name: 'a', ...data }],
      'nothing is measured that is called "exactmatch"',
    ],
    ['layers that are not there', {}, [{ name: 'a', ...data, model: { layers: 9 } }], 'expected 1 to 4, got 9'],
    [
      'rows from what writes none',
      {},
      [
        { name: 'a', ...data, objective: 'reward' },
        { name: 'b', ...data, generate: { by: 'a', prompts: quickstart } },
      ],
      '"a" writes no text',
    ],
    [
      'a gate of what has no such metric',
      {},
      [{ name: 'a', ...data, objective: 'reward', gate: { quality: 0.5 } }],
      'of "a" no exactMatch is measured',
    ],
  ])(
    'is said of %s',
    async (_, changes, tasks, message) => {
      const model = { path: fileURLToPath(new URL('../../../packages/zoo/model', import.meta.url)) };
      const trainer = { steps: 1, batchSize: 1 };
      await writeFile(at('wrong.json'), JSON.stringify({ ...base, model, trainer, ...changes, tasks }));
      const { code, stdout } = await runCli(
        home,
        'sequence',
        'wrong.json',
        '--output',
        `wrong-${message.length}`,
        '--json',
      );
      expect(code).toBe(2);
      expect(stdout).toContain(JSON.stringify(message).slice(1, -1));
    },
    60_000,
  );
});
