import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyEncoder, writeTinyModel } from './fixtures/tiny-model.js';

let home: string;
let trained: Record<string, unknown>;
const adapted = ['--model', 'model', '--adapter', 'run/adapter'];
const json = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(home, path), 'utf8')) as Record<string, unknown>;

/** Who sits where: the animal is one span, the place, of two words, another. */
function rows(from: number, count: number): string {
  const places = ['mat', 'log', 'film', 'plot', 'moment'];
  return Array.from({ length: count }, (_, index) => {
    const animal = (from + index) % 2 === 0 ? 'cat' : 'dog';
    const tokens = ['the', animal, 'sat', 'on', 'the', places[(from + 3 * index) % 5]];
    return JSON.stringify({ tokens, ner_tags: ['O', 'B-ANIMAL', 'O', 'O', 'B-PLACE', 'I-PLACE'] });
  }).join('\n');
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-tags-'));
  await writeTinyEncoder(join(home, 'model'));
  await writeFile(join(home, 'data.jsonl'), rows(0, 40));
  await writeFile(join(home, 'held.jsonl'), rows(1, 12));
  await writeFile(
    join(home, 'recipe.yaml'),
    'model: { path: model }\ndata: { train: data.jsonl, validation: held.jsonl }\nmethod: lora\n' +
      'objective: { name: token-classification }\nlora: { targetModules: all-linear }\ntrainer: { steps: 40, learningRate: 0.01 }\n',
  );
  trained = await runJson(home, 'train', 'recipe.yaml', '--output', 'run');
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('a tagger', () => {
  it('learns the tags that its data holds, and is measured by spans', () => {
    expect(trained).toMatchObject({
      reason: 'finished',
      after: { step: 40, metrics: { accuracy: 1, precision: 1, recall: 1, f1: 1 } },
    });
  });

  it('is an adapter of PEFT, head and all, whose manifest names the tags', () => {
    expect(json('run/adapter/adapter_config.json')).toMatchObject({
      task_type: 'TOKEN_CLS',
      modules_to_save: expect.arrayContaining(['classifier']),
    });
    expect(json('run/adapter/tunesmith.json')).toMatchObject({
      objective: { name: 'token-classification', labels: ['B-ANIMAL', 'B-PLACE', 'I-PLACE', 'O'] },
    });
  });

  it('marks spans in a text, apart from its adapter and merged', async () => {
    const text = ['--text', 'The dog sat on the log'];
    const apart = (await runJson(home, 'classify', ...adapted, ...text)) as unknown as object[];
    expect(apart).toMatchObject([
      {
        text: 'The dog sat on the log',
        words: [{ tag: 'O' }, { word: 'dog', tag: 'B-ANIMAL' }, {}, {}, { tag: 'B-PLACE' }, { tag: 'I-PLACE' }],
        spans: [
          { type: 'ANIMAL', text: 'dog', score: expect.any(Number) },
          { type: 'PLACE', text: 'the log' },
        ],
      },
    ]);
    await runJson(home, 'merge', ...adapted, '--output', 'merged');
    expect(json('merged/config.json')).toMatchObject({
      architectures: ['BertForTokenClassification'],
      id2label: { 0: 'B-ANIMAL', 3: 'O' },
    });
    expect(json('merged/config.json')).not.toHaveProperty('problem_type');
    const merged = (await runJson(home, 'classify', '--model', 'merged', ...text)) as unknown as typeof apart;
    const tagsOf = (results: object[]) => (results as { words: { tag: string }[] }[])[0]?.words.map(({ tag }) => tag);
    expect(tagsOf(merged)).toEqual(tagsOf(apart));
    const held = ['--data', 'held.jsonl'];
    const [one, other] = [
      await runJson(home, 'eval', ...adapted, ...held),
      await runJson(home, 'eval', '--model', 'merged', ...held),
    ];
    expect(other).toEqual({ ...one, loss: expect.closeTo(one.loss as number, 5) });
    const shown = await runCli(home, 'classify', '--model', 'merged', ...text);
    expect(shown.stdout).toMatch(/ANIMAL dog .*PLACE the log .*The dog sat on the log/);
  });

  it('is refused what it cannot do', async () => {
    const pair = await runCli(home, 'classify', ...adapted, '--text', 'a', '--pair', 'b');
    expect(pair.stderr).toMatch(/CONFIG_INVALID.*words are tagged in one text/);
    const packed = await runCli(home, 'train', 'recipe.yaml', '--set', 'data.packing=true', '--output', 'packed');
    expect(packed.stderr).toMatch(/data\.packing: a row that is classified holds one text/);
  });
});

it('a decoder tags tokens, too', async () => {
  await writeTinyModel(join(home, 'decoder'));
  const trainedDecoder = await runJson(
    ...[
      home,
      'train',
      'recipe.yaml',
      '--set',
      'model.path=decoder',
      '--set',
      'trainer.steps=60',
      '--output',
      'decoded',
    ],
  );
  const { metrics } = trainedDecoder.after as { metrics: { accuracy: number } };
  expect(metrics.accuracy).toBeGreaterThan(0.6);
});
