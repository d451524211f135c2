import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyEncoder, writeTinyModel } from './fixtures/tiny-model.js';

let home: string;
let trained: Record<string, unknown>;
const adapted = ['--model', 'model', '--adapter', 'run/adapter'];
const json = (path: string): unknown => JSON.parse(readFileSync(join(home, path), 'utf8'));

type Embedded = readonly { readonly text: string; readonly embedding: readonly number[] }[];
const embed = async (...flags: string[]) => (await runJson(home, 'embed', ...flags)) as unknown as Embedded;

/** Who is where, said with or without a dog: what is alike is of one place. */
const places = ['mat', 'log', 'film', 'plot', 'moment', 'cat'];
function pairs(from: number, count: number): string {
  return Array.from({ length: count }, (_, index) => {
    const place = places[(from + index) % places.length];
    const animal = (from + index) % 4 < 2 ? 'cat' : 'dog';
    return JSON.stringify({ anchor: `the ${animal} sat on the ${place}`, positive: `on the ${place}` });
  }).join('\n');
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-embed-'));
  await writeTinyEncoder(join(home, 'model'));
  await writeFile(join(home, 'data.jsonl'), pairs(0, 48));
  await writeFile(join(home, 'held.jsonl'), pairs(3, 6));
  await writeFile(
    join(home, 'recipe.yaml'),
    'model: { path: model }\ndata: { train: data.jsonl, validation: held.jsonl, maxLength: 24 }\nmethod: lora\n' +
      'objective: { name: contrastive, pooling: cls, normalize: true }\n' +
      'lora: { targetModules: all-linear }\ntrainer: { steps: 60, learningRate: 0.01 }\n',
  );
  await writeFile(
    join(home, 'plain.yaml'),
    'model: { path: model }\ndata: { train: data.jsonl }\nmethod: lora\nobjective: contrastive\ntrainer: { steps: 2 }\n',
  );
  trained = await runJson(home, 'train', 'recipe.yaml', '--output', 'run');
}, 120_000);
afterAll(() => rm(home, { recursive: true, force: true }));

describe('an embedder', { timeout: 120_000 }, () => {
  it('learns what is alike, and is measured by what it finds', () => {
    expect(trained).toMatchObject({
      reason: 'finished',
      before: { metrics: { 'accuracy@1': expect.any(Number) } },
      after: { step: 60, metrics: { 'accuracy@1': 1, 'mrr@10': 1 } },
    });
    const { before } = trained as { before: { metrics: Record<string, number> } };
    expect(before.metrics['accuracy@1']).toBeLessThan(0.8);
  });

  it('is an adapter of PEFT over the model without a head, whose manifest says how vectors are made', async () => {
    expect(json('run/adapter/adapter_config.json')).toMatchObject({ task_type: 'FEATURE_EXTRACTION' });
    expect(json('run/adapter/tunesmith.json')).toMatchObject({
      objective: { name: 'contrastive', pooling: 'cls', normalize: true },
    });
    const header = await readFile(join(home, 'run/adapter/adapter_model.safetensors'), 'latin1');
    expect(header).toContain('base_model.model.encoder.layer.0.attention.self.query.lora_A.weight');
    expect(header).not.toContain('bert.encoder');
  });

  it('makes the same vectors apart from its adapter and merged, in a folder of sentence-transformers', async () => {
    const texts = ['--text', 'the dog sat on the log', '--text', 'on the log', '--text', 'on the film'];
    const apart = await embed(...adapted, ...texts);
    expect(apart.map(({ text }) => text)).toEqual(['the dog sat on the log', 'on the log', 'on the film']);
    for (const { embedding } of apart) expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
    await runJson(home, 'merge', ...adapted, '--output', 'merged');
    expect(json('merged/config.json')).toMatchObject({ architectures: ['BertModel'] });
    expect((json('merged/modules.json') as { type: string }[]).map(({ type }) => type)).toEqual([
      'sentence_transformers.models.Transformer',
      'sentence_transformers.models.Pooling',
      'sentence_transformers.models.Normalize',
    ]);
    expect(json('merged/1_Pooling/config.json')).toEqual({
      word_embedding_dimension: 64,
      pooling_mode_mean_tokens: false,
      pooling_mode_cls_token: true,
      pooling_mode_lasttoken: false,
    });
    // What the folder says is enough: no flag, and no objective.
    const merged = await embed('--model', 'merged', ...texts);
    for (const [index, { embedding }] of merged.entries()) {
      embedding.forEach((value, at) => {
        expect(value).toBeCloseTo(apart[index]?.embedding[at] as number, 5);
      });
    }
    const held = ['--data', 'held.jsonl'];
    const [one, other] = [
      await runJson(home, 'eval', ...adapted, ...held),
      await runJson(home, 'eval', '--model', 'merged', ...held),
    ];
    expect(other).toEqual({ ...one, loss: expect.closeTo(one.loss as number, 4) });
    expect(one).toMatchObject({ perplexity: null, metrics: { 'accuracy@1': 1 } });
  });

  it('shows how alike texts are, and which are nearest where there are many', async () => {
    const few = await runCli(home, 'embed', ...adapted, '--text', 'the dog sat on the log', '--text', 'on the log');
    expect(few.stdout).toMatch(/^ 1\.000 {2}0\.[5-9]\d\d {2}the dog sat on the log\n/);
    const rows = places.flatMap((place) => [`the cat sat on the ${place}`, `on the ${place}`]);
    await writeFile(join(home, 'texts.jsonl'), rows.map((text) => JSON.stringify({ text })).join('\n'));
    const many = await runCli(home, 'embed', ...adapted, '--texts', 'texts.jsonl');
    expect(many.stdout).toMatch(/the cat sat on the log {2}0\.\d+ on the log\n/);
    const written = await runJson(home, 'embed', ...adapted, '--texts', 'texts.jsonl', '--output', 'vectors.jsonl');
    expect(written).toEqual({ output: 'vectors.jsonl', rows: 12, width: 64 });
    const lines = (await readFile(join(home, 'vectors.jsonl'), 'utf8')).trimEnd().split('\n');
    const [line] = lines.map((each) => JSON.parse(each) as Embedded[number]);
    const [same] = await embed(...adapted, '--text', line?.text as string);
    for (const [at, value] of (line?.embedding ?? []).entries())
      expect(value).toBeCloseTo(same?.embedding[at] as number, 5);
  });

  it('is made otherwise where flags say so', async () => {
    const text = ['--text', 'on the log'];
    const [own] = await embed(...adapted, ...text);
    const [plain] = await embed(...adapted, ...text, '--no-normalize');
    expect(Math.hypot(...(plain?.embedding ?? []))).toBeGreaterThan(1.5);
    const [mean] = await embed(...adapted, ...text, '--pooling', 'mean');
    expect(mean?.embedding).not.toEqual(own?.embedding);
  });

  it('is planned, its data checked, and its schema shown', async () => {
    const plan = await runJson(home, 'plan', 'recipe.yaml');
    expect(plan).toMatchObject({ family: 'bert', rows: 48 });
    const check = await runCli(
      home,
      'data',
      'check',
      'data.jsonl',
      '--model',
      'model',
      '--set',
      'objective=contrastive',
    );
    expect(check.stdout).toMatch(/format +anchor-positive/);
    expect(check.stdout).toMatch(/≈ on the mat/);
    const { stdout } = await runCli(home, 'schema', '--objective', 'contrastive', '--method', 'lora');
    expect(stdout).toContain('FlagEmbedding');
  });

  it('is refused what it cannot do', async () => {
    let runs = 0;
    const set = (setting: string) =>
      runCli(home, 'train', 'recipe.yaml', '--output', `refused${runs++}`, '--set', setting);
    expect((await set('data.packing=true')).stderr).toMatch(/data\.packing: not for contrastive/);
    expect((await set('trainer.gradientAccumulation=2')).stderr).toMatch(/"contrastive" cannot accumulate gradients/);
    expect((await set('objective.scales=3')).stderr).toMatch(/objective\.scales.*scale/);
    const scores = await set('objective.loss=cosent');
    expect(scores.stderr).toMatch(
      /DATA_INVALID at .*data\.jsonl: .*expected scored-pair \(sentence1, sentence2, score\)/,
    );
    expect((await runCli(home, 'generate', ...adapted, '--prompt', 'a')).stderr).toMatch(/CAPABILITY_MISSING/);
    expect((await runCli(home, 'embed', ...adapted)).stderr).toMatch(/there is nothing to embed/);
  });
});

it('learns scores, measured by correlation', { timeout: 120_000 }, async () => {
  const rows = Array.from({ length: 36 }, (_, index) => {
    const [one, other] = [places[index % 6], places[Math.floor(index / 6)]];
    return { sentence1: `on the ${one}`, sentence2: `the ${other}`, score: one === other ? 5 : 1 };
  });
  await writeFile(join(home, 'scored.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
  const settings = [
    'objective.loss=cosent',
    'data.train=scored.jsonl',
    'data.validation=scored.jsonl',
    'trainer.steps=40',
  ];
  const { before, after } = (await runJson(
    ...[home, 'train', 'recipe.yaml', '--output', 'scored', ...settings.flatMap((one) => ['--set', one])],
  )) as { before: { metrics: Record<string, number> }; after: { metrics: Record<string, number> } };
  expect(after.metrics.spearman).toBeGreaterThan(0.6);
  expect(after.metrics.spearman).toBeGreaterThan(before.metrics.spearman as number);
});

it('trains a whole decoder, and saves it as sentence-transformers has one', { timeout: 120_000 }, async () => {
  await writeTinyModel(join(home, 'decoder'));
  const settings = ['model.path=decoder', 'data.maxLength=48'].flatMap((one) => ['--set', one]);
  await runJson(home, 'train', 'plain.yaml', '--method', 'full', '--output', 'whole', ...settings);
  expect(json('whole/model/config.json')).toMatchObject({ architectures: ['LlamaModel'] });
  expect(json('whole/model/1_Pooling/config.json')).toMatchObject({ pooling_mode_lasttoken: true });
  expect(await readFile(join(home, 'whole/model/model.safetensors'), 'latin1')).toMatch(
    /"layers\.0\.self_attn\.q_proj/,
  );
  const [first, second] = await embed('--model', 'whole/model', '--text', 'on the log', '--text', 'on the film');
  expect(first?.embedding).toHaveLength(64);
  expect(first?.embedding).not.toEqual(second?.embedding);
});

it('reads how a folder of sentence-transformers makes vectors, and refuses what it does not know', {
  timeout: 120_000,
}, async () => {
  const folder = join(home, 'sentences');
  await writeTinyEncoder(folder);
  const modules = (...types: string[]) =>
    types.map((type, idx) => ({
      idx,
      name: String(idx),
      path: idx === 0 ? '' : `${idx}_${type}`,
      type: `a.b.${type}`,
    }));
  const write = (name: string, value: unknown) => writeFile(join(folder, name), JSON.stringify(value));
  await mkdir(join(folder, '1_Pooling'));
  await write('modules.json', modules('Transformer', 'Pooling', 'Normalize'));
  await write('1_Pooling/config.json', { embedding_dimension: 64, pooling_mode: 'cls' });
  await write('sentence_bert_config.json', { max_seq_length: 5 });
  const text = 'the dog sat on the log';
  const [own] = await embed('--model', 'sentences', '--text', text);
  expect(Math.hypot(...(own?.embedding ?? []))).toBeCloseTo(1, 5);
  const [same] = await embed(
    '--model',
    'model',
    '--text',
    text,
    '--pooling',
    'cls',
    '--normalize',
    '--max-length',
    '5',
  );
  expect(own).toEqual(same);
  const check = ['data', 'check', 'data.jsonl', '--model', 'sentences', '--set', 'objective=contrastive'];
  expect((await runJson(home, ...check)).report).toMatchObject({ truncatedPrompts: 48 });
  const started = await runJson(home, 'train', 'plain.yaml', '--output', 'started', '--set', 'model.path=sentences');
  expect(started.reason).toBe('finished');
  expect(await readFile(join(home, 'started/recipe.yaml'), 'utf8')).toMatch(
    /maxLength: 5[\s\S]*pooling: cls[\s\S]*normalize: true/,
  );
  const prompts = { query: 'query: ', passage: '' };
  await write('config_sentence_transformers.json', { prompts, default_prompt_name: null });
  await runJson(home, 'merge', '--model', 'sentences', '--adapter', 'started/adapter', '--output', 'prompted');
  expect(JSON.parse(await readFile(join(home, 'prompted/config_sentence_transformers.json'), 'utf8'))).toEqual({
    ...{ prompts, default_prompt_name: null },
  });
  await write('config_sentence_transformers.json', { prompts, default_prompt_name: 'query' });
  const prompted = await runCli(home, 'embed', '--model', 'sentences', '--text', text);
  expect(prompted.stderr).toMatch(/CAPABILITY_MISSING.*puts a prompt before every text.*query: "query: "/);
  await write('config_sentence_transformers.json', {});
  await write('1_Pooling/config.json', { pooling_mode_mean_tokens: true, pooling_mode_max_tokens: true });
  const refused = await runCli(home, 'embed', '--model', 'sentences', '--text', text);
  expect(refused.stderr).toMatch(
    /CAPABILITY_MISSING.*this pooling has no counterpart.*mean and pooling_mode_max_tokens/,
  );
  await write('modules.json', modules('Transformer', 'Pooling', 'Dense'));
  await write('1_Pooling/config.json', { pooling_mode: 'mean' });
  const dense = await runCli(home, 'embed', '--model', 'sentences', '--text', text);
  expect(dense.stderr).toMatch(/a module of this embedder has no counterpart.*a\.b\.Dense/);
});
