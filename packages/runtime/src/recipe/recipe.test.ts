import { apiVersion, defineMethod, defineObjective, sft, TunesmithError } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { methodNames } from './read-recipe.js';
import { parseData, parseRecipe, recipeDocument, recipeJsonSchema } from './recipe.js';
import { markdownTable, recipeReference } from './recipe-reference.js';
import { recipeSchema } from './recipe-schema.js';

const config = z.object({
  rank: z.int().min(1).default(8).describe('Rank.'),
  pattern: z.record(z.string(), z.int()).default({}),
});
const capabilities = { mergeable: true, identityAtInit: true };
const define = (name: string, trainsBase: boolean, defaults = {}) =>
  defineMethod({
    ...{ name, apiVersion, summary: name, config, capabilities: { ...capabilities, trainsBase }, defaults },
    create: () => ({ patchModel: () => {} }),
  });
const ranks = define('ranks', false);
const whole = define('whole', true);
const fast = define('fast', false, { learningRate: 1e-3 });

const least = { model: { path: '/m' }, data: { train: '/d.jsonl' }, method: 'ranks' };
const parse = (value: Record<string, unknown>) => parseRecipe({ value, where: 'r.yaml' }, [ranks, whole, fast]);
const problemsOf = (value: Record<string, unknown>): string => {
  try {
    parse(value);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

const odd = defineObjective({
  ...{
    name: 'odd',
    apiVersion,
    summary: 'Odd',
    rows: 'preferences',
    unpackable: 'it is odd',
    defaults: { learningRate: 1e-6 },
  },
  config: z.object({ beta: z.number().positive().default(0.1).describe('β.'), even: z.boolean().default(false) }),
  create({ even }) {
    if (even) throw new TunesmithError('CONFIG_INVALID', 'it is not even', { where: 'odd.even' });
    return sft;
  },
});

describe('parseRecipe', () => {
  it('takes the objective of a plugin, with its options and its rate, and reads what it wrote', () => {
    const withOdd = (value: Record<string, unknown>) => parseRecipe({ value, where: 'r.yaml' }, [ranks], [odd]);
    const recipe = withOdd({ ...least, objective: 'odd' });
    expect(recipe).toMatchObject({ objective: { name: 'odd', beta: 0.1 }, trainer: { learningRate: 1e-6 } });
    expect(withOdd(recipeDocument(recipe))).toEqual(recipe);
    expect(withOdd({ ...least, objective: { name: 'odd', beta: 2 } }).objective).toMatchObject({ beta: 2 });
    const refused: [Record<string, unknown>, string][] = [
      [{ objective: { name: 'odd', beta: 0 } }, 'objective.beta: expected number to be >0, got 0'],
      [{ objective: { name: 'odd', gamma: 0 } }, 'objective.gamma: unknown key'],
      [{ objective: { name: 'odd', even: true } }, 'objective: CONFIG_INVALID at odd.even: it is not even'],
      [{ objective: 'odd', data: { train: '/d.jsonl', packing: true } }, 'data.packing: not for odd: it is odd'],
    ];
    for (const [value, message] of refused) expect(() => withOdd({ ...least, ...value })).toThrow(message);
    // Without the plugin it is no objective.
    expect(problemsOf({ ...least, objective: 'odd' })).toContain(
      'objective.name: expected sft, seq2seq, classification, token-classification, masked-lm',
    );
    const { objective } = recipeJsonSchema([ranks], [odd]).properties as { objective: { anyOf: unknown[] } };
    expect(objective.anyOf).toHaveLength(3);
  });

  it('fills in every default, and reads what it wrote to the same recipe', () => {
    const recipe = parse(least);
    expect(recipe.methods).toEqual([{ name: 'ranks', config: { rank: 8, pattern: {} } }]);
    expect(recipe.trainer).toMatchObject({ batchSize: 8, schedule: { name: 'linear', warmup: 0 }, seed: 42 });
    const written = recipeDocument(recipe);
    expect(written).toMatchObject({ version: 1, method: 'ranks', ranks: { rank: 8 } });
    expect(parse(written)).toEqual(recipe);
  });
  it('takes several methods, in order, each with its block', () => {
    const recipe = parse({ ...least, method: ['whole', 'ranks'], ranks: { rank: 2 } });
    expect(recipe.methods.map(({ name, config: { rank } }) => [name, rank])).toEqual([
      ['whole', 8],
      ['ranks', 2],
    ]);
    expect(parse(recipeDocument(recipe))).toEqual(recipe);
  });
  it('chooses the learning rate by what the methods train', () => {
    expect(parse(least).trainer.learningRate).toBe(2e-4);
    expect(parse({ ...least, method: 'whole' }).trainer.learningRate).toBe(2e-5);
    expect(parse({ ...least, method: 'fast' }).trainer.learningRate).toBe(1e-3);
    expect(parse({ ...least, method: ['fast', 'ranks'] }).trainer.learningRate).toBe(2e-4);
    expect(parse({ ...least, trainer: { learningRate: 1 } }).trainer.learningRate).toBe(1);
  });
  it('quantises the base where the recipe says so', () => {
    const quantized = (quantization?: object | string) =>
      parse({ ...least, model: { path: '/m', ...(quantization && { quantization }) } });
    expect(quantized().model.quantization).toBeUndefined();
    const settings = { type: 'nf4', blockSize: 64, doubleQuantization: true, exclude: [] };
    expect(quantized({}).model.quantization).toEqual(settings);
    expect(quantized('none').model.quantization).toBe('none');
    expect(quantized({ type: 'int8' }).model.quantization).toEqual({
      type: 'int8',
      outlierThreshold: 6,
      integerGradient: true,
      exclude: [],
    });
    expect(quantized({ type: 'q4_1' }).model.quantization).toEqual({ type: 'q4_1', exclude: [] });
    for (const recipe of [quantized('none'), quantized({}), quantized({ type: 'int8' })]) {
      expect(parse(recipeDocument(recipe))).toEqual(recipe);
    }
    const wrong = (quantization: object | string) => problemsOf({ ...least, model: { path: '/m', quantization } });
    expect(wrong('nf5')).toContain('model.quantization');
    expect(wrong({ type: 'nf5', blockSize: 48 })).toContain('model.quantization.type');
    expect(wrong({ type: 'nf5', blockSize: 48 })).toContain('model.quantization.blockSize');
    expect(wrong({ type: 'int8', blockSize: 64 })).toContain('model.quantization.blockSize: is no option of int8');
    expect(wrong({ type: 'q8_0', blockSize: 32 })).toContain('model.quantization.blockSize: is no option of q8_0');
    expect(wrong({ outlierThreshold: 5 })).toContain('model.quantization.outlierThreshold: is no option of nf4');
    expect(wrong({ blokSize: 64 })).toMatch(/model\.quantization\.blokSize: unknown key.*blockSize/);
  });
  it('takes an objective, and says what does not go with it', () => {
    expect(parse(least).objective).toMatchObject({ name: 'sft' });
    const objective = { name: 'classification', labels: ['no', 'yes'] };
    const recipe = parse({ ...least, objective });
    expect(recipe.objective).toMatchObject({ ...objective, problemType: 'single-label' });
    expect(parse(recipeDocument(recipe))).toEqual(recipe);
    const wrong = (changes: object, others: object = {}) =>
      problemsOf({ ...least, ...others, objective: { ...objective, ...changes } });
    expect(wrong({ name: 'sft' })).toContain('objective.labels: goes with classification');
    expect(wrong({ labels: ['no', 'no'] })).toContain('objective.labels: one is named twice');
    for (const labels of [['no'], 1]) expect(wrong({ labels })).toContain('objective.labels: expected two or more');
    expect(wrong({ labels: 1, problemType: 'regression' })).toBe('');
    expect(wrong({}, { data: { train: 'd', packing: true } })).toContain('data.packing: a row that is classified');
    const sampling = { data: { train: 'd', validation: 'v' }, trainer: { samplePrompts: ['a'] } };
    expect(wrong({}, sampling)).toContain('trainer.samplePrompts: needs an objective that continues texts');
    expect(wrong({ mode: 1 })).toContain('objective.mode: unknown key');
  });
  it("gives a schedule its paper's warm-up, where none is said", () => {
    const warmupOf = (schedule: object) => parse({ ...least, trainer: { schedule } }).trainer.schedule.warmup;
    expect(warmupOf({ name: 'cosine' })).toBe(0);
    expect(warmupOf({ name: 'slanted-triangular' })).toBe(0.1);
    expect(warmupOf({ name: 'slanted-triangular', warmup: 0 })).toBe(0);
  });
  it('tells all problems at once, each with its key and the nearest known one', () => {
    const problems = problemsOf({
      model: { path: '/m', name: 'a/b' },
      data: { train: '/d', validation: 3, promptLossWeight: 2 },
      method: 'ranks',
      ranks: { rnak: 4, rank: 'x' },
      trainer: { stpes: 3, schedule: { nmae: 'cosine', warmup: -1 } },
      trianer: {},
      whole: { rank: 1 },
    });
    expect(problems).toMatch(/^CONFIG_INVALID at r\.yaml: 10 problems\n/);
    for (const problem of [
      /model: give either `path` or `name`\n/,
      /data\.validation: .*got 3/,
      'data.promptLossWeight: expected number to be <=1, got 2',
      'trainer.stpes: unknown key. Did you mean steps or seed?',
      'trainer.schedule.nmae: unknown key. Did you mean name?',
      'trainer.schedule.warmup: expected number to be >=0, got -1',
      'trianer: unknown key, and no method of this recipe. Did you mean trainer or ranks?',
      'whole: unknown key, and no method of this recipe',
      'ranks.rnak: unknown key. Did you mean rank?',
      'ranks.rank: expected number, got "x"',
    ]) {
      expect(problems).toMatch(problem);
    }
  });
  it.each<[string, Record<string, unknown>, string | RegExp]>([
    ['a missing block', { method: 'ranks', model: { path: '/m' } }, 'data: is missing'],
    ['a block of a method that is not used', { ...least, whole: {} }, /^CONFIG_INVALID at r\.yaml: whole: unknown key/],
    ['a method named twice', { ...least, method: ['ranks', 'ranks'] }, 'method: "ranks" is named twice'],
    ['an unknown choice', { ...least, device: 'gpu' }, 'device: expected cpu, webgpu, cuda, tfjs, got "gpu"'],
    ['a revision of a folder', { ...least, model: { path: '/m', revision: 'x' } }, '`revision` goes with `name`'],
    [
      'early stopping without held-out data',
      { ...least, trainer: { earlyStopping: { patience: 1 } } },
      'needs data.val',
    ],
    ['samples without held-out data', { ...least, trainer: { samplePrompts: ['x'] } }, 'needs data.validation'],
    ['a newer version', { ...least, version: 2 }, /^API_VERSION at r\.yaml: .*newer Tunesmith.*got 2/],
  ])('refuses %s', (_, value, message) => {
    expect(problemsOf(value)).toMatch(message);
  });
  it('names methods before anything is checked', () => {
    expect(methodNames({ value: { method: 'a' }, where: '' })).toEqual(['a']);
    expect(methodNames({ value: { method: ['a', 'b', 3] }, where: '' })).toEqual(['a', 'b']);
    expect(methodNames({ value: {}, where: '' })).toEqual([]);
  });
});

describe('parseData', () => {
  it('checks data options by themselves', () => {
    expect(parseData({ train: 'x' }, '--set')).toMatchObject({ train: 'x', promptLossWeight: 0.1 });
    expect(() => parseData({ train: 'x', templat: 'chatml' }, '--set')).toThrow(
      'CONFIG_INVALID at --set: data.templat: unknown key. Did you mean template?',
    );
  });
});

describe('the schema', () => {
  it('asks editors only for what has no default', () => {
    const schema = recipeJsonSchema([ranks]) as { required: string[]; properties: Record<string, unknown> };
    expect(schema.required).toEqual(['model', 'data', 'method']);
    expect(schema.properties.ranks).toMatchObject({ additionalProperties: false, description: 'ranks' });
    expect(schema.properties.whole).toBeUndefined();
  });
  it('describes every key', () => {
    const keys = recipeReference([ranks]).filter(({ key }) => key !== 'ranks.pattern');
    expect(keys.filter(({ description }) => description === '')).toEqual([]);
    expect(keys.find(({ key }) => key === 'ranks.rank')).toMatchObject({ type: 'integer', default: '8' });
  });
  it('cites, for every default, where it is from, or says that it is this project’s', () => {
    const cited =
      /TrainingArguments|torch|transformers|TRL|Alpaca|PyTorch|project’s choice|torchtune|huggingface|QLoRA/;
    const own = new Set(['version', 'plugins', 'trainer.samplePrompts', 'device', 'metrics.tensorboard']);
    const uncited = recipeReference([]).filter(
      ({ key, default: value, description }) => value !== null && !own.has(key) && !cited.test(description),
    );
    expect(uncited).toEqual([]);
  });
  it('becomes a Markdown table', () => {
    const table = markdownTable([{ key: 'a.b', type: 'x or y', default: '"c|d"', description: 'What.' }]);
    expect(table).toBe(
      '| key | type | default | meaning |\n| --- | --- | --- | --- |\n| `a.b` | x or y | `"c\\|d"` | What. |',
    );
  });
  it('is strict at every level', () => {
    expect(recipeSchema.safeParse({ ...least, trainer: { optimizer: { nam: 1 } } }).success).toBe(false);
  });
});
