/** The recipes of examples/recipes on the bundled model, and what the command line says of preference data. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runJson } from './fixtures/run-cli.js';

const recipes = fileURLToPath(new URL('../../../examples/recipes', import.meta.url));
const model = fileURLToPath(new URL('../../../packages/zoo/model', import.meta.url));
const data = join(recipes, 'preferences.jsonl');
const objective = ['--set', 'objective=dpo'];

interface Result {
  readonly before: { readonly loss: number; readonly metrics: Record<string, number> };
  readonly after: { readonly loss: number; readonly metrics: Record<string, number> };
}

/** By recipe: what its result must show. */
const shows: Record<string, (result: Result) => void> = {
  'distillation.yaml'({ before, after }) {
    // What 4 bits have changed of the model's distributions is won back.
    expect(before.metrics.divergence).toBeGreaterThan(0);
    expect(after.metrics.divergence).toBeLessThan(before.metrics.divergence as number);
  },
  'dpo.yaml'({ before, after }) {
    expect(before.loss).toBeCloseTo(Math.LN2, 6);
    expect(before.metrics['rewards/margins']).toBe(0);
    expect(after.loss).toBeLessThan(0.2);
    expect(after.metrics['rewards/accuracies']).toBe(1);
    expect(after.metrics['rewards/margins']).toBeGreaterThan(1);
  },
  'grpo.yaml': (result) => rewarded(result),
  'kto.yaml'({ before, after }) {
    expect(before.loss).toBeCloseTo(0.5, 6);
    expect(before.metrics.kl).toBe(0);
    expect(after.loss).toBeLessThan(0.48);
    expect(after.metrics['rewards/chosen']).toBeGreaterThan(after.metrics['rewards/rejected'] as number);
  },
  'orpo.yaml'({ before, after }) {
    expect(after.loss).toBeLessThan(0.8 * before.loss);
    expect(after.metrics.log_odds_chosen).toBeGreaterThan((before.metrics.log_odds_chosen as number) + 0.5);
  },
  'ppo.yaml': (result) => rewarded(result),
  'reward.yaml'({ before, after }) {
    expect(after.loss).toBeLessThan(0.4 * before.loss);
    expect(after.metrics['rewards/accuracies']).toBe(1);
    expect(after.metrics['rewards/margins']).toBeGreaterThan(1);
  },
  'without-forgetting.yaml'({ before, after }) {
    expect(before.metrics.divergence).toBeCloseTo(0, 5);
    expect(after.metrics.nll).toBeLessThan(0.8 * (before.metrics.nll as number));
    expect(after.metrics.divergence).toBeGreaterThan(0);
  },
};

/** Answers of held-out prompts are rewarded more than before, and not for having left the model that was. */
function rewarded({ before, after }: Result): void {
  expect(before.metrics.kl).toBeCloseTo(0, 5);
  expect(after.loss).toBe(-(after.metrics.reward as number));
  expect(after.metrics.reward).toBeGreaterThan((before.metrics.reward as number) + 0.05);
  expect(after.metrics.kl).toBeLessThan(10);
}

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-preferences-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('recipes', () => {
  it('are all tried', () => {
    expect(readdirSync(recipes).filter((name) => name.endsWith('.yaml'))).toEqual(Object.keys(shows));
  });

  it.each(Object.entries(shows))(
    '%s',
    async (name, check) => {
      const result = await runJson(home, 'train', join(recipes, name), '--output', name);
      expect(result).toMatchObject({ reason: 'finished' });
      check(result as unknown as Result);
    },
    180_000,
  );

  it('give adapters that generate without the objective, and that eval measures with it', async () => {
    const adapted = ['--model', model, '--adapter', 'dpo.yaml/adapter'];
    const manifest = JSON.parse(readFileSync(join(home, 'dpo.yaml/adapter/tunesmith.json'), 'utf8'));
    expect(manifest).toMatchObject({ objective: null });
    const measured = await runJson(
      home,
      'eval',
      ...adapted,
      '--data',
      data,
      '--set',
      'data.maxLength=64',
      ...objective,
    );
    expect(measured).toMatchObject({ perplexity: null, rows: 40, metrics: { 'rewards/accuracies': 1 } });
    const step = readFileSync(join(home, 'dpo.yaml/metrics.jsonl'), 'utf8')
      .split('\n')
      .find((line) => line.includes('"type":"step"'));
    expect(JSON.parse(step as string)).toMatchObject({
      terms: { 'rewards/margins': 0, 'logps/chosen': expect.any(Number) },
    });
  }, 120_000);
});

describe('a reference that is an adapter', () => {
  const started = ['--set', 'model.adapters.sft=dpo.yaml/adapter', '--set', 'model.start=sft'];
  const steps = ['--set', 'trainer.steps=2'];
  const train = (...settings: string[]) => runJson(home, 'train', join(recipes, 'dpo.yaml'), ...steps, ...settings);

  it('is where the trained one starts, at every step or asked once, and is saved with neither', async () => {
    for (const reference of ['adapter-off', 'cached']) {
      const own = ['--set', 'objective.referenceAdapter=sft', '--set', `objective.reference=${reference}`];
      const { before } = (await train(...started, ...own, '--output', `by-${reference}`)) as unknown as Result;
      expect(before.loss).toBeCloseTo(Math.LN2, 5);
      expect(before.metrics['rewards/margins']).toBeCloseTo(0, 4);
      const saved = readdirSync(join(home, `by-${reference}`, 'adapter'));
      expect(saved).toContain('adapter_model.safetensors');
    }
    // Against the base, what it learnt is a reward already.
    const { before } = (await train(...started, '--output', 'by-base')) as unknown as Result;
    expect(before.loss).toBeLessThan(0.2);
  }, 180_000);

  it('is found by name, and starts what is made as it is', async () => {
    const unknown = await runCli(
      home,
      ...['train', join(recipes, 'dpo.yaml'), ...started, '--set', 'objective.referenceAdapter=stf'],
    );
    expect(unknown.stderr).toMatch(/no adapter "stf"[\s\S]*sft/);
    const start = await runCli(home, ...['train', join(recipes, 'dpo.yaml'), '--set', 'model.start=sft']);
    expect(start.stderr).toContain('`start` names one of `adapters`');
  }, 60_000);
});

describe('a reward model', () => {
  const adapted = ['--model', model, '--adapter', 'reward.yaml/adapter'];
  const texts = ['--text', 'Aye, captain: Oslo.', '--text', 'The capital is Oslo.'];
  interface Judged {
    readonly labels: readonly string[];
    readonly scores: { readonly LABEL_0: number };
  }
  const json = (path: string): unknown => JSON.parse(readFileSync(join(home, path), 'utf8'));

  it('is a classifier of sequences with one logit, to PEFT and to transformers', async () => {
    expect(json('reward.yaml/adapter/adapter_config.json')).toMatchObject({
      ...{ task_type: 'SEQ_CLS', modules_to_save: ['score'] },
    });
    expect(json('reward.yaml/adapter/tunesmith.json')).toMatchObject({
      objective: { name: 'classification', labels: ['LABEL_0'], problemType: 'regression' },
    });
    await runJson(home, 'merge', ...adapted, '--output', 'judge');
    expect(json('judge/config.json')).toMatchObject({
      ...{ architectures: ['LlamaForSequenceClassification'], id2label: { 0: 'LABEL_0' }, problem_type: 'regression' },
    });
    const apart = (await runJson(home, 'classify', ...adapted, ...texts)) as unknown as Judged[];
    const merged = (await runJson(home, 'classify', '--model', 'judge', ...texts)) as unknown as Judged[];
    expect(apart.map(({ labels }) => labels)).toEqual([[], []]);
    for (const [index, { scores }] of apart.entries()) {
      // The checkpoint holds 16 bits.
      expect(merged[index]?.scores.LABEL_0).toBeCloseTo(scores.LABEL_0, 1);
    }
    const judged = await runJson(home, 'eval', '--model', 'judge', '--data', data, '--set', 'objective=reward');
    expect(judged).toMatchObject({ perplexity: null, rows: 40, metrics: { 'rewards/accuracies': 1 } });
  }, 180_000);

  it('rewards a policy, if it tells pairs apart', async () => {
    const short = ['reward=model', 'rewardModel=reward.yaml/adapter', 'prompts=4', 'maxNewTokens=8'];
    const settings = [...short, `gateData=${data}`].map((each) => `objective.${each}`);
    const set = [...settings, 'trainer.batchSize=4', 'trainer.steps=2', 'data.validation=0.1'];
    const recipe = ['train', join(recipes, 'ppo.yaml'), ...set.flatMap((each) => ['--set', each])];
    const { after } = (await runJson(home, ...recipe, '--output', 'judged')) as unknown as Result;
    expect(after.metrics.reward).not.toBe(0);
    const pairs = readFileSync(data, 'utf8').replaceAll('"chosen"', '"x"').replaceAll('"rejected"', '"chosen"');
    await writeFile(join(home, 'turned.jsonl'), pairs.replaceAll('"x"', '"rejected"'));
    const { stderr } = await runCli(home, ...recipe, '--set', 'objective.gateData=turned.jsonl', '--output', 'refused');
    expect(stderr).toMatch(
      /tells too few pairs apart to train by it; expected .*at least 0\.6 of .*turned\.jsonl, got 0\.000/s,
    );
  }, 180_000);

  it('writes no text', async () => {
    const sampled = ['train', join(recipes, 'reward.yaml'), '--set', 'trainer.samplePrompts=[Ahoy]'];
    const { stderr } = await runCli(home, ...sampled);
    expect(stderr).toMatch(/trainer\.samplePrompts: needs an objective that continues texts/);
  }, 60_000);
});

describe('a reference that is computed before', () => {
  it('is kept on disk, found again, and is what full fine-tuning needs', async () => {
    const recipe = ['train', join(recipes, 'dpo.yaml'), '--method', 'full', '--steps', '2'];
    const settings = ['trainer.samplePrompts=[]', 'data.validation=0.1', 'trainer.learningRate=1e-4'];
    const cached = [...recipe, ...[...settings, 'objective.reference=cached'].flatMap((each) => ['--set', each])];
    // What other recipes have left there.
    const before = existsSync(join(home, 'cache/priors')) ? readdirSync(join(home, 'cache/priors')).length : 0;
    const first = (await runJson(home, ...cached, '--output', 'first')) as unknown as Result;
    expect(first.before.loss).toBeCloseTo(Math.LN2, 5);
    expect(first.after.loss).toBeLessThan(first.before.loss);
    const kept = readdirSync(join(home, 'cache/priors'));
    expect(kept).toHaveLength(before + 2);
    const again = await runCli(home, ...cached, '--output', 'again');
    expect(again.stderr).not.toContain('computing what the reference says');
    expect(readdirSync(join(home, 'cache/priors'))).toEqual(kept);
    const losses = (run: string) =>
      readFileSync(join(home, run, 'metrics.jsonl'), 'utf8').match(/"loss":[^,]+/g) as string[];
    expect(losses('again')).toEqual(losses('first'));
  }, 180_000);
});

describe('preference data', () => {
  it('is checked: both sides, answers cut on one side alone, pairs that are no pairs', async () => {
    const long = 'and so on and on, '.repeat(12);
    await writeFile(
      join(home, 'pairs.jsonl'),
      [
        { prompt: 'Say yes.', chosen: ' Yes.', rejected: ' No.' },
        { prompt: 'Say yes.', chosen: ' Yes.', rejected: ' Yes.' },
        { prompt: 'Say yes.', chosen: ' Yes.', rejected: ` No, ${long}` },
        { prompt: 'Say yes.', chosen: 5, rejected: ' No.' },
      ]
        .map((row) => JSON.stringify(row))
        .join('\n'),
    );
    const check = ['data', 'check', 'pairs.jsonl', '--model', model, '--set', 'data.maxLength=32', ...objective];
    const { code, stdout } = await runCli(home, ...check);
    expect(code).toBe(2);
    expect(stdout).toMatch(/format +preference\n/);
    expect(stdout).toMatch(/chosen +median \d+ tokens/);
    expect(stdout).toMatch(/rejected +median \d+ tokens, 95 % up to \d\d+, longest \d\d+/);
    expect(stdout).toMatch(/uneven cut +1 +row 3\n/);
    expect(stdout).toMatch(/identical +1 +row 2\n/);
    expect(stdout).toMatch(/invalid +1\n.*pairs\.jsonl:4, column chosen/s);
    expect(stdout).toMatch(/\nrejected {2}loss weights: 1 0\n.*Say yes\. No\./s);
  }, 120_000);

  it('is refused where answers are learnt, and where it cannot be packed', async () => {
    const plain = await runCli(home, 'data', 'check', data, '--model', model);
    expect(plain.stderr).toMatch(/the rows are preference data.*tunesmith plugins/s);
    const packed = await runCli(home, 'train', join(recipes, 'dpo.yaml'), '--set', 'data.packing=true');
    expect(packed.stderr).toMatch(/data\.packing: not for dpo: a row holds a prompt with one answer/);
    expect(existsSync(join(home, 'runs'))).toBe(false);
  }, 120_000);

  it('is planned as it is trained', async () => {
    const plan = await runJson(home, 'plan', join(recipes, 'dpo.yaml'), '--set', 'objective.reference=cached');
    expect(plan).toMatchObject({ rows: 32, family: 'llama', estimate: { flopsPerStep: expect.any(Number) } });
  }, 120_000);
});
