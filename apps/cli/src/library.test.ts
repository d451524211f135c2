import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import type { EvaluateEvent, TrainerEvent } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { type Engine, parseRecipe, type Recipe, train } from '@tunesmith/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, hubSettings } from './engine.js';
import { writeTinyData, writeTinyModel } from './fixtures/tiny-model.js';

let home: string;
let engine: Engine;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-library-'));
  await writeTinyModel(join(home, 'model'));
  await writeTinyData(join(home, 'data.jsonl'), 8);
  engine = {
    ...createEngine({ methods: [lora], cacheFolder: join(home, 'cache') }),
    createBackend: () => createTfjsBackend({ prefer: 'cpu' }),
  };
});
afterAll(() => rm(home, { recursive: true, force: true }));

const recipe = (output: string, trainer: Record<string, unknown>): Recipe =>
  parseRecipe(
    {
      where: 'a test',
      value: {
        model: { path: join(home, 'model') },
        data: { train: join(home, 'data.jsonl'), validation: 0.25 },
        method: 'lora',
        trainer: { batchSize: 2, learningRate: 0.01, ...trainer },
        output: join(home, output),
      },
    },
    [lora],
  );

describe('train', () => {
  it('chooses the best checkpoint by a metric of the caller’s', async () => {
    const evaluations: EvaluateEvent[] = [];
    const { savedStep, step } = await train(recipe('measured', { steps: 4, evaluateEvery: 1 }), engine, {
      measure: async ({ model }, at) => ({ distance: Math.abs(at - 2) + model.shape.layers }),
      best: 'distance',
      sinks: [{ write: (event) => void (event.type === 'evaluate' && evaluations.push(event)) }],
    });
    expect(evaluations.map(({ metrics, best }) => [metrics.distance, best])).toEqual([
      [undefined, false], // before training nothing is measured but the loss
      [3, true],
      [2, true],
      [3, false],
      [4, false],
    ]);
    expect([savedStep, step]).toEqual([2, 4]);
    // The newest two, and the best, which is older.
    expect(await readdir(join(home, 'measured/checkpoints'))).toEqual(['step-00000002', 'step-00000004']);
  });

  it('ends at a signal with a checkpoint and without an adapter', async () => {
    const controller = new AbortController();
    const events: TrainerEvent[] = [];
    const result = await train(recipe('aborted', { steps: 50 }), engine, {
      signal: controller.signal,
      sinks: [
        {
          write(event) {
            events.push(event);
            if (event.type === 'step' && event.step === 2) controller.abort();
          },
        },
      ],
    });
    expect(result).toMatchObject({ reason: 'aborted', step: 2, steps: 50, adapters: [], savedStep: null });
    expect(events.slice(-2)).toMatchObject([{ type: 'checkpoint', step: 2 }, { type: 'end' }]);
    expect((await readdir(join(home, 'aborted'))).sort()).toEqual(['checkpoints', 'metrics.jsonl', 'recipe.yaml']);
  });
});

describe('data that does not fit', () => {
  it('is warned of, on either side of a split into files', async () => {
    const lines = [
      { prompt: 'a', completion: 'b' },
      { prompt: 'a', completion: 'long '.repeat(40) },
      ...Array.from({ length: 12 }, () => ({ prompt: 'c', completion: 'd' })),
    ];
    const files = ['train.jsonl', 'held.jsonl'].map((name) => join(home, name)) as [string, string];
    await writeFile(files[0], lines.map((line) => JSON.stringify(line)).join('\n'));
    await writeFile(files[1], JSON.stringify(lines[1]));
    const warnings: string[] = [];
    const whole = recipe('warned', { steps: 1 });
    await train({ ...whole, data: { ...whole.data, train: files[0], validation: files[1], maxLength: 32 } }, engine, {
      onWarning: (warning) => void warnings.push(warning.replaceAll(`${home}/`, '')),
    });
    expect(warnings).toEqual([
      '1 of 14 answers are cut to fit into 32 tokens, the first at train.jsonl:2; a larger data.maxLength keeps them whole',
      '1 of 1 answers are cut to fit into 32 tokens, the first at held.jsonl:1; a larger data.maxLength keeps them whole',
    ]);
  });
});

describe('hubSettings', () => {
  it('reads what huggingface_hub reads', () => {
    expect(hubSettings({ HF_HOME: '/h', HF_TOKEN: 't', HF_ENDPOINT: 'http://e' })).toEqual({
      ...{ cacheDir: '/h/hub', token: 't', endpoint: 'http://e' },
    });
    expect(hubSettings({ HF_HUB_CACHE: '/c', HF_HOME: '/h' })).toEqual({ cacheDir: '/c' });
    expect(hubSettings({ XDG_CACHE_HOME: '/x' })).toEqual({ cacheDir: '/x/huggingface/hub' });
  });
});
