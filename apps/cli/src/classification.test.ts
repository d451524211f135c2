import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyEncoder } from './fixtures/tiny-model.js';

let home: string;
let trained: Record<string, unknown>;
const base = ['--model', 'model'];
const adapted = [...base, '--adapter', 'run/adapter'];
const held = ['--data', 'held.tsv', '--set', 'data.header=[sentence, label]'];
const texts = ['--text', 'the cat sat on the mat', '--text', 'the dog sat on the log'];
const json = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(home, path), 'utf8')) as Record<string, unknown>;

/** Tab-separated, without a line of names: whether it is the cat or the dog that sits. */
function rows(from: number, count: number): string {
  const places = ['mat', 'log', 'film', 'plot', 'moment'];
  return Array.from({ length: count }, (_, index) => {
    const is = (from + index) % 2 === 0 ? 'cat' : 'dog';
    return `the ${is} sat on the ${places[(from + 3 * index) % 5]}\t${is}`;
  }).join('\n');
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-classify-'));
  await writeTinyEncoder(join(home, 'model'));
  await writeFile(join(home, 'data.tsv'), rows(0, 40));
  await writeFile(join(home, 'held.tsv'), rows(1, 12));
  await writeFile(
    join(home, 'recipe.yaml'),
    'model: { path: model }\ndata: { train: data.tsv, validation: held.tsv, header: [sentence, label] }\nmethod: lora\n' +
      'objective: { name: classification }\nlora: { targetModules: all-linear }\ntrainer: { steps: 30, learningRate: 0.01 }\n',
  );
  trained = await runJson(home, 'train', 'recipe.yaml', '--output', 'run');
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('a classifier', () => {
  it('learns the labels that its data holds, and is measured by them', () => {
    expect(trained).toMatchObject({
      reason: 'finished',
      after: { step: 30, metrics: { accuracy: 1, f1: 1, matthews: 1 } },
    });
    const { objective } = parse(readFileSync(join(home, 'run/recipe.yaml'), 'utf8')) as { objective: unknown };
    expect(objective).toMatchObject({ name: 'classification', labels: ['cat', 'dog'], problemType: 'single-label' });
  });

  it('is an adapter of PEFT, head and all, whose manifest names the labels', () => {
    expect(json('run/adapter/adapter_config.json')).toMatchObject({
      task_type: 'SEQ_CLS',
      modules_to_save: expect.arrayContaining(['classifier']),
    });
    expect(json('run/adapter/tunesmith.json')).toMatchObject({
      objective: { name: 'classification', labels: ['cat', 'dog'], problemType: 'single-label' },
    });
  });

  it('is merged into codes, which moves the logits of its labels', async () => {
    const codes = ['--quantization', 'nf4', '--allow-lossy', '--text', 'the cat sat on the mat'];
    const { logitChange } = await runJson(home, 'merge', ...adapted, ...codes, '--output', 'rounded');
    const { largest, mean } = logitChange as { largest: number; mean: number };
    expect(mean).toBeGreaterThan(0);
    // Two labels: their mean is at least half of the larger.
    expect(mean).toBeGreaterThanOrEqual(largest / 2);
    expect(json('rounded/config.json')).toMatchObject({ id2label: { 0: 'cat', 1: 'dog' } });
  });

  it('says the same apart, merged, and of the file as of the command line', async () => {
    const { metrics, loss } = (trained.after ?? {}) as { metrics: object; loss: number };
    expect(await runJson(home, 'eval', ...adapted, ...held)).toEqual({
      ...{ loss: expect.closeTo(loss, 5), perplexity: null, rows: 12, metrics },
    });
    const apart = (await runJson(home, 'classify', ...adapted, ...texts)) as unknown as { scores: object }[];
    expect(apart).toMatchObject([
      { text: 'the cat sat on the mat', labels: ['cat'], scores: { cat: expect.any(Number) } },
      { text: 'the dog sat on the log', labels: ['dog'] },
    ]);
    await runJson(home, 'merge', ...adapted, '--output', 'merged');
    expect(json('merged/config.json')).toMatchObject({
      architectures: ['BertForSequenceClassification'],
      id2label: { 0: 'cat', 1: 'dog' },
      label2id: { cat: 0, dog: 1 },
      problem_type: 'single_label_classification',
    });
    const merged = (await runJson(home, 'classify', '--model', 'merged', ...texts)) as unknown as typeof apart;
    for (const [index, { scores }] of apart.entries()) {
      for (const [label, score] of Object.entries(scores)) {
        expect(merged[index]?.scores).toHaveProperty(label, expect.closeTo(score as number, 4));
      }
    }
    await writeFile(
      join(home, 'texts.jsonl'),
      '{"text": "the cat sat on the mat"}\n{"text1": "the dog", "text2": "sat"}',
    );
    const { stdout } = await runCli(home, 'classify', ...adapted, '--texts', 'texts.jsonl');
    expect(stdout).toMatch(/^cat 0\.\d{3} {2}the cat sat on the mat\n(cat|dog) \d\.\d{3} {2}the dog \| sat\n$/);
  });

  it('is read from PEFT’s files alone, its labels numbered', async () => {
    await rm(join(home, 'run/adapter/tunesmith.json'));
    const [first] = (await runJson(home, 'classify', ...adapted, ...texts)) as unknown as { labels: string[] }[];
    expect(first?.labels).toEqual(['LABEL_0']);
  });

  it('writes no text, and says what does', async () => {
    const { code, stdout } = await runCli(home, 'generate', ...adapted, '--prompt', 'the', '--json');
    expect(code).toBe(4);
    expect(stdout).toMatch(
      /CAPABILITY_MISSING.*this model is one for sequence-classification, which writes no text.*tunesmith classify/,
    );
    const classify = await runCli(home, 'classify', ...base, '--text', 'the');
    expect(classify.stderr).toMatch(/this model is no classifier/);
  });

  it('is planned with its head, and its data counted by label', async () => {
    const plan = await runJson(home, 'plan', 'recipe.yaml');
    const sites = (plan.sites as { path: string }[]).map(({ path }) => path);
    expect(sites).toContain('classifier');
    const settings = ['--set', 'objective.name=classification', '--set', 'data.header=[sentence, label]'];
    const check = ['data', 'check', 'data.tsv', ...base, ...settings];
    expect(await runJson(home, ...check)).toMatchObject({
      format: 'labelled',
      labels: {
        counts: [
          { label: 'cat', count: 20 },
          { label: 'dog', count: 20 },
        ],
      },
    });
    expect((await runCli(home, ...check)).stdout).toMatch(/labels +cat: 20 \(50 %\)\n +dog: 20 \(50 %\)/);
    const wrong = await runCli(home, ...check, '--set', 'objective.labels=[cat, bird]');
    expect(wrong.code).toBe(2);
    expect(wrong.stdout).toMatch(/data\.tsv:2, column label: .*expected one of cat, bird, or an index up to 1/);
  });

  it('is a whole model where the method trains it', async () => {
    const method = ['--method', 'full', '--output', 'full', '--steps', '20', '--set', 'trainer.learningRate=0.003'];
    const { model, after } = await runJson(home, 'train', 'recipe.yaml', ...method);
    expect(model).toBe(join(home, 'full/model'));
    const again = await runJson(home, 'eval', '--model', 'full/model', ...held);
    expect(again).toMatchObject({ metrics: (after as { metrics: object }).metrics });
    expect(again.loss).toBeCloseTo((after as { loss: number }).loss, 5);
  });
});

describe('hidden tokens', () => {
  const flags = ['train', ...base, '--data', 'story.txt', '--method', 'lora', '--set', 'objective.name=masked-lm'];
  const shared = [
    '--validation',
    'story.txt',
    '--set',
    'trainer.checkpointEvery=4',
    '--set',
    'trainer.learningRate=0.01',
  ];

  it('are learnt, and a run that goes on hides the same', async () => {
    await writeFile(join(home, 'story.txt'), rows(0, 30).replaceAll(/\t\w+\n?/g, ' .\n\n'));
    const whole = await runJson(home, ...flags, ...shared, '--steps', '12', '--output', 'whole');
    const [before, after] = [whole.before, whole.after] as { loss: number }[];
    expect(after?.loss).toBeLessThan((before?.loss as number) - 0.5);
    await runJson(home, ...flags, ...shared, '--steps', '12', '--output', 'part');
    // As if it had been killed after step 8: the last checkpoint and all that followed it are gone.
    await rm(join(home, 'part/checkpoints/step-00000012'), { recursive: true });
    expect(await runJson(home, 'resume', 'part')).toMatchObject({ from: 8, step: 12 });
    const weights = (run: string): Buffer => readFileSync(join(home, run, 'adapter/adapter_model.safetensors'));
    expect(weights('part').equals(weights('whole'))).toBe(true);
    const evaluated = await runJson(home, 'eval', ...base, '--adapter', 'whole/adapter', '--data', 'story.txt');
    expect(evaluated.loss).toBeCloseTo(after?.loss as number, 5);
  });
});
