import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli, runJson } from './fixtures/run-cli.js';
import { servedCommit, serveModel } from './fixtures/serve-model.js';
import { writeTinyData, writeTinyModel } from './fixtures/tiny-model.js';

let home: string;
let events: { type: string; step: number; loss: number }[];
let trained: Record<string, unknown>;
const base = ['--model', 'model'];
const adapted = [...base, '--adapter', 'run/adapter'];
const read = (path: string): string => readFileSync(join(home, path), 'utf8');

/** A command that fails: its exit code and its error as JSON. */
async function failure(...args: string[]): Promise<{ code: number | null; error: { code: string; message: string } }> {
  const { code, stdout } = await runCli(home, ...args, '--json');
  return { code, error: (JSON.parse(stdout.trimEnd().split('\n').at(-1) as string) as { error: never }).error };
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-cli-'));
  await writeTinyModel(join(home, 'model'));
  await writeTinyData(join(home, 'data.jsonl'));
  await writeFile(
    join(home, 'recipe.yaml'),
    'model: { path: model }\ndata: { train: data.jsonl, validation: 0.2 }\nmethod: lora\nlora: { rank: 4, dropout: 0.1 }\n' +
      'trainer: { epochs: 1, batchSize: 4, seed: 3, learningRate: 0.02, samplePrompts: ["1 + 1 = "], sampleTokens: 4 }\n',
  );
  const { code, stdout, stderr } = await runCli(
    ...([home, 'train', 'recipe.yaml', '--steps', '30', '--output', 'run', '--set', 'lora.rank=6', '--json'] as const),
  );
  if (code !== 0) throw new Error(stdout + stderr);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  trained = lines.at(-1) as Record<string, unknown>;
  events = lines.slice(0, -1) as typeof events;
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('train', () => {
  it('tells every event and ends with the result', () => {
    expect(events.filter(({ type }) => type === 'step').map(({ step }) => step)).toEqual(
      Array.from({ length: 30 }, (_, index) => index + 1),
    );
    expect(events.filter(({ type }) => type === 'evaluate')).toMatchObject([
      { step: 0, samples: [{ prompt: '1 + 1 = ', text: expect.any(String) }] },
      { step: 30, best: true, samples: [{ prompt: '1 + 1 = ' }] },
    ]);
    expect(trained).toMatchObject({
      ...{ type: 'result', reason: 'finished', from: 0, step: 30, steps: 30, savedStep: 30, model: null },
      ...{ adapters: [join(home, 'run/adapter')], mergeable: true },
      before: { step: 0 },
      after: { step: 30 },
    });
    const { before, after } = trained as Record<string, { loss: number }>;
    expect(after?.loss).toBeLessThan((before?.loss as number) - 1);
  });
  it('leaves a folder with the recipe resolved, flags over it, metrics, a checkpoint and an adapter', async () => {
    const names = ['adapter', 'checkpoints', 'metrics.jsonl', 'recipe.yaml'];
    expect((await readdir(join(home, 'run'))).sort()).toEqual(names);
    expect((await readdir(join(home, 'run/adapter'))).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
      'tunesmith.json',
    ]);
    expect(parse(read('run/recipe.yaml'))).toMatchObject({
      ...{ version: 1, method: 'lora', device: 'cpu', output: join(home, 'run') },
      model: { path: join(home, 'model') },
      data: { train: join(home, 'data.jsonl'), maxLength: 64, promptLossWeight: 0.1 },
      lora: { rank: 6, alpha: 8, dropout: 0.1 },
      trainer: { steps: 30, batchSize: 4, seed: 3, learningRate: 0.02, clipNorm: 1 },
    });
    expect(JSON.parse(read('run/adapter/adapter_config.json'))).toMatchObject({
      ...{ peft_type: 'LORA', r: 6, base_model_name_or_path: join(home, 'model') },
    });
    const metrics = read('run/metrics.jsonl')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(metrics.slice(1).map(({ type }) => type)).toEqual(events.map(({ type }) => type));
  });
  it('shows people the loss before and after, where the adapter lies and what to do next', async () => {
    const { code, stdout, stderr } = await runCli(
      ...([home, 'train', '--data', 'data.jsonl', 'recipe.yaml', '--steps', '2', '--output', 'shown'] as const),
    );
    expect(code).toBe(0);
    expect(stderr).toContain('before training: held-out loss');
    expect(stderr).toMatch(/step 2\/2 {2}loss \d/);
    expect(stdout).toMatch(/held-out loss\s+\d\.\d+ → \d\.\d+ \(before training → step 2\)/);
    expect(stdout).toContain('adapter         shown/adapter');
    expect(stdout).toMatch(/tunesmith generate --model \S*model --adapter shown\/adapter --prompt/);
    expect(stdout).toMatch(/tunesmith merge --model \S*model --adapter shown\/adapter --output shown\/merged\n$/);
  });
  it('saves the best model, not the last, and stops when nothing improves', async () => {
    const result = await runJson(
      ...([home, 'train', 'recipe.yaml', '--method', 'full', '--steps', '60', '--output', 'early'] as const),
      ...['--set', 'trainer.evaluateEvery=2', '--set', 'trainer.earlyStopping={patience: 2}'],
      ...['--set', 'trainer.learningRate=0.05', '--set', 'trainer.samplePrompts=[]'],
    );
    expect(result.reason).toBe('earlyStopping');
    expect(result.savedStep).toBe((result.step as number) - 4);
    const { step, loss } = result.after as { step: number; loss: number };
    expect(step).toBe(result.savedStep);
    expect(existsSync(join(home, 'early/adapter'))).toBe(false);
    // The recipe's held-out rows are a seeded share: a run without steps to speak of evaluates the saved model on them.
    const again = await runJson(
      ...([home, 'train', 'recipe.yaml', '--model', 'early/model', '--steps', '1', '--output', 'again'] as const),
    );
    expect((again.before as { loss: number }).loss).toBeCloseTo(loss, 5);
  });
  it('says which answers are cut to fit, to people and to programs', async () => {
    const rows = [
      { prompt: 'a', completion: 'b' },
      { prompt: 'a', completion: 'long '.repeat(40) },
    ];
    await writeFile(join(home, 'cut.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
    const train = ['train', ...base, '--data', 'cut.jsonl', '--method', 'lora', '--steps', '1'];
    const warning =
      /1 of 2 answers are cut to fit into 64 tokens, the first at \S*cut\.jsonl:2; a larger data\.maxLength/;
    const { code, stderr } = await runCli(home, ...train, '--output', 'cut');
    expect(code).toBe(0);
    expect(stderr).toMatch(warning);
    const { stdout } = await runCli(home, ...train, '--output', 'cut-json', '--json');
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; message?: string });
    expect(lines.filter(({ type }) => type === 'warning')).toEqual([
      { type: 'warning', message: expect.stringMatching(warning) },
    ]);
    const evaluated = await runCli(home, 'eval', ...base, '--data', 'cut.jsonl', '--json');
    expect(evaluated.stderr).toMatch(warning);
    expect(JSON.parse(evaluated.stdout)).toHaveProperty('loss');
    const whole = await runCli(home, 'train', 'recipe.yaml', '--steps', '1', '--output', 'whole');
    expect(whole.stderr).not.toContain('warning');
  });
  it('stops at a loss that is no number', async () => {
    const { code, error } = await failure(
      'train',
      'recipe.yaml',
      '--output',
      'nan',
      '--set',
      'trainer.learningRate=1e39',
    );
    expect(code).toBe(1);
    expect(error).toMatchObject({ code: 'DIVERGED', message: expect.stringContaining('Lower the learning rate') });
  });
  it('imports a method from a file, saves and loads its adapter', async () => {
    const plugin = ['--plugin', fileURLToPath(new URL('./fixtures/gain-plugin.mjs', import.meta.url))];
    const run = ['train', 'recipe.yaml', '--method', 'gain', ...plugin, '--steps', '3', '--output', 'gain'];
    const { code, stdout } = await runCli(home, ...run);
    expect(code).toBe(0);
    // It cannot be merged, so nobody is told to.
    expect(stdout).toMatch(
      /Next:\n {2}(npx )?tunesmith generate --model model --adapter gain\/adapter --prompt "…"\n$/,
    );
    const flags = [...base, '--adapter', 'gain/adapter', ...plugin];
    expect(await runJson(home, 'eval', ...flags, '--data', 'data.jsonl')).toMatchObject({ rows: 24 });
    const merge = await failure('merge', ...flags, '--output', 'gained');
    expect(merge).toMatchObject({ code: 4, error: { code: 'CAPABILITY_MISSING' } });
  });
});

describe('a model by its name', () => {
  it('comes from the Hub once, its commit recorded, and from the cache afterwards', async () => {
    const { server, endpoint } = await serveModel('tiny/llama', join(home, 'model'));
    process.env.HF_ENDPOINT = endpoint;
    try {
      await runJson(home, 'train', 'recipe.yaml', '--model', 'tiny/llama', '--steps', '1', '--output', 'hub-run');
      server.close();
      server.closeAllConnections();
      const { model } = parse(read('hub-run/recipe.yaml')) as { model: unknown };
      expect(model).toEqual({ name: 'tiny/llama', revision: servedCommit, dtype: 'auto', resizeVocabulary: false });
      const config = JSON.parse(read('hub-run/adapter/adapter_config.json')) as Record<string, unknown>;
      expect(config).toMatchObject({ base_model_name_or_path: 'tiny/llama', revision: servedCommit });
      await runJson(home, 'eval', '--model', 'tiny/llama', '--data', 'data.jsonl');
    } finally {
      server.close();
      delete process.env.HF_ENDPOINT;
    }
  });
});

describe('generate, eval and merge', () => {
  const generate = (...flags: string[]) =>
    runJson(home, 'generate', ...flags, '--prompt', '3 + 3 = ', '--max-tokens', '12', '--temperature', '0');

  it('agree on what an adapter does, apart or merged', async () => {
    const apart = await generate(...adapted);
    expect(apart).toEqual({ text: expect.any(String), tokens: expect.any(Array) });
    expect((await generate(...base)).tokens).not.toEqual(apart.tokens);
    expect(await runJson(home, 'merge', ...adapted, '--output', 'merged')).toEqual({ model: join(home, 'merged') });
    expect(await generate('--model', 'merged')).toEqual(apart);
    const evaluate = (...flags: string[]) => runJson(home, 'eval', ...flags, '--data', 'data.jsonl');
    const [plain, adapter, merged] = [
      await evaluate(...base),
      await evaluate(...adapted),
      await evaluate('--model', 'merged'),
    ];
    expect(adapter.perplexity).toBeCloseTo(Math.exp(adapter.loss as number), 6);
    expect(merged.loss).toBeCloseTo(adapter.loss as number, 5);
    expect(adapter.loss).toBeLessThan((plain.loss as number) - 1);
  });
  it('stacks adapters of one method, combines them, and gives prompts of a file each its own', async () => {
    const twice = [...adapted, '--adapter', 'run/adapter'];
    const stacked = await generate(...twice);
    const made = ['--adapter', 'run/adapter', '--weight', '1.5', '--adapter', 'run/adapter', '--weight', '0.5'];
    const combined = await runJson(home, 'combine', ...made, '--combination', 'cat', '--output', 'double');
    expect(combined).toEqual({ adapter: join(home, 'double') });
    expect(await generate(...base, '--adapter', 'double')).toEqual(stacked);
    expect(JSON.parse(read('double/adapter_config.json'))).toMatchObject({ r: 12, lora_alpha: 12, peft_type: 'LORA' });

    const rows = [{ prompt: '3 + 3 = ', adapter: 'one' }, { prompt: '3 + 3 = ' }, { prompt: '4 + ', adapter: ['two'] }];
    await writeFile(join(home, 'prompts.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
    const named = ['--adapter', 'one=run/adapter', '--adapter', 'two=double'];
    const batch = ['generate', ...base, ...named, '--prompts', 'prompts.jsonl', '--max-tokens', '12'];
    const { stdout } = await runCli(home, ...batch);
    const answers = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(answers.map(({ adapter }) => adapter)).toEqual(['one', null, ['two']]);
    expect(answers[0]).toMatchObject(await generate(...adapted));
    expect(answers[1]).toMatchObject(await generate(...base));
    const lone = ['generate', ...base, '--adapter', 'double', '--prompt', '4 + ', '--max-tokens', '12'];
    expect(answers[2]).toMatchObject(await runJson(home, ...lone));

    await writeFile(join(home, 'prompts.jsonl'), '{"prompt": "a", "adapter": "on"}');
    expect((await failure(...batch)).error).toMatchObject({ code: 'NAME_UNKNOWN' });
    expect((await failure('combine', ...made.slice(0, 6), '--output', 'x')).error).toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });
  it('loads an adapter that PEFT saved, without our manifest', async () => {
    const expected = await generate(...adapted);
    await rm(join(home, 'run/adapter/tunesmith.json'));
    expect(await generate(...adapted)).toEqual(expected);
  });
  it('chats by the template, streams to stdout, and samples by the seed', async () => {
    const chat = ['generate', ...adapted, '--chat', '--prompt', 'hi', '--max-tokens', '8'];
    const { text } = await runJson(home, ...chat);
    expect((await runCli(home, ...chat)).stdout).toBe(`${text}\n`);
    const sample = [...chat, '--temperature', '1.5', '--seed'];
    const first = await runJson(home, ...sample, '1');
    expect(await runJson(home, ...sample, '1')).toEqual(first);
    expect(await runJson(home, ...sample, '2')).not.toEqual(first);
  });
});

describe('the other commands', () => {
  it('plan lists every site', async () => {
    const plan = await runJson(home, 'plan', 'recipe.yaml');
    expect(plan).toMatchObject({ family: 'llama', trainedParameters: 2 * (4 * 128 + 4 * 96), elsewhere: 0 });
    expect((plan.sites as { path: string }[]).map(({ path }) => path)).toEqual(
      [0, 1].flatMap((layer) => ['q', 'v'].map((part) => `model.layers.${layer}.self_attn.${part}_proj`)),
    );
    const full = await runJson(home, 'plan', 'recipe.yaml', '--method', 'full');
    expect(full.trainedParameters).toBe(full.totalParameters);
    const bytes = 4 * (full.totalParameters as number);
    expect(full).toMatchObject({ elsewhere: 0, rows: 19, estimate: { weightBytes: bytes, optimizerBytes: 2 * bytes } });
    expect((full.time as { seconds: number }).seconds).toBeGreaterThan(0);
  });
  it('plan says within a quarter what the run then took', async () => {
    const { estimate } = (await runJson(
      ...([home, 'plan', 'recipe.yaml', '--steps', '30', '--set', 'lora.rank=6'] as const),
    )) as { estimate: { peakBytes: number; programs: number } };
    const measured = trained.peakBytes as number;
    expect(estimate.programs).toBeGreaterThan(2); // to train on, to evaluate, and to sample
    expect(estimate.peakBytes).toBeGreaterThan(0.75 * measured);
    expect(estimate.peakBytes).toBeLessThan(1.25 * measured);
  });
  it('data check reports, and fails where training would', async () => {
    expect(await runJson(home, 'data', 'check', 'data.jsonl', ...base)).toMatchObject({
      ...{ format: 'prompt-completion', invalid: 0, report: { examples: 24, rows: 24 } },
    });
    await writeFile(join(home, 'bad.jsonl'), '{"prompt": "a", "completion": "b"}\n{"prompt": 3, "completion": "b"}\n');
    const { code, stdout } = await runCli(home, 'data', 'check', 'bad.jsonl', ...base);
    expect(code).toBe(2);
    expect(stdout).toMatch(/bad\.jsonl:2, column prompt/);
  });
  it('plugins, schema and doctor tell what is there', async () => {
    const { stdout } = await runCli(home, 'plugins', '--json');
    const offered = (JSON.parse(stdout) as { methods: string[] }[]).flatMap(({ methods }) => methods);
    expect(offered).toEqual(expect.arrayContaining(['lora', 'full']));
    const schema = JSON.parse((await runCli(home, 'schema')).stdout) as { properties: Record<string, unknown> };
    expect(schema.properties).toHaveProperty('lora.properties.rank.default', 8);
    const { devices } = await runJson(home, 'doctor');
    expect(
      (devices as { device: string; works: boolean }[]).filter(({ works }) => works).map(({ device }) => device),
    ).toEqual(expect.arrayContaining(['cpu', 'tfjs']));
  });
  it('init writes a recipe that plan takes', async () => {
    await runJson(home, 'init', 'new', ...base, '--data', 'data.jsonl');
    expect(existsSync(join(home, 'new/recipe.schema.json'))).toBe(true);
    expect(await runJson(home, 'plan', 'new/recipe.yaml')).toMatchObject({ family: 'llama' });
    expect(await failure('init', 'new')).toMatchObject({ code: 2, error: { code: 'FILE_INVALID' } });
  });
});

describe('errors', () => {
  it.each<[string, string[], number, string, RegExp]>([
    ['an unknown flag', ['train', '--stepz', '3'], 2, 'CONFIG_INVALID', /unknown option '--stepz'/],
    ['a wrong number', ['train', '--steps', 'x'], 2, 'CONFIG_INVALID', /whole number/],
    [
      'an unknown method',
      ['plan', 'recipe.yaml', '--method', 'lroa'],
      2,
      'NAME_UNKNOWN',
      /Did you mean lora or qlora\?/,
    ],
    [
      'a bad key',
      ['plan', 'recipe.yaml', '--set', 'lora.rnak=3'],
      2,
      'CONFIG_INVALID',
      /recipe\.yaml: lora\.rnak: unknown key/,
    ],
    [
      'a module that is not there',
      ['plan', 'recipe.yaml', '--set', 'lora.targetModules=[q]'],
      2,
      'NAME_UNKNOWN',
      /q_proj/,
    ],
    [
      'rows that are too long',
      ['plan', 'recipe.yaml', '--set', 'data.maxLength=65'],
      2,
      'CONFIG_INVALID',
      /at most 64/,
    ],
    [
      'no CUDA',
      ['train', 'recipe.yaml', '--device', 'cuda', '--output', 'cuda'],
      4,
      'BACKEND_UNAVAILABLE',
      /npm rebuild onnxruntime-node/,
    ],
    ['a folder without a run', ['resume', 'model'], 2, 'FILE_MISSING', /no folder of a run/],
  ])('%s', async (_, args, code, name, message) => {
    expect(await failure(...args)).toMatchObject({
      code,
      error: { code: name, message: expect.stringMatching(message) },
    });
  });
});
