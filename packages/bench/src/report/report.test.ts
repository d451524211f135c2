import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { paretoPicture } from '../chart/pareto-picture.js';
import { rasterise } from '../chart/render-chart.js';
import { knownFailure, knownResults } from '../fixtures/known-results.js';
import { importPeftResult, readPeftResults } from '../store/peft-results.js';
import { axesOf, type Board, frontierNames, verdictOf } from './board.js';
import { givenReport } from './given-report.js';
import { reportHtml } from './html.js';
import { reportMarkdown } from './markdown.js';
import { createReport } from './report.js';
import { doubtfulTasks, taskTable } from './task-table.js';

const now = new Date('2026-11-26T04:00:00Z');
const results = [
  ...knownResults('slow', { accuracies: [0.9, 0.91, 0.89], secondsPerStep: 20 }),
  ...knownResults('constant', { accuracies: [0.5, 0.5, 0.5], peakBytes: 1e8 }),
  ...knownResults('learns', { accuracies: [0.92, 0.9, 0.94] }),
  knownFailure('broken', 'no <memory> | left'),
];
const suite = {
  models: { tiny: {} },
  tasks: [{ task: 'mine', shuffled: false }],
  methods: { slow: {}, constant: {}, learns: {}, broken: {} },
  budgets: { short: { steps: 100, batchSize: 8, evaluations: 4, timeoutSeconds: 1 } },
  prices: { cpu: { perHour: 3.6, source: 'made up' } },
};
const report = createReport({ results, suite, now });
const [board] = report.boards as [Board];

it('ranks by the task’s metric, what failed last', () => {
  expect(board.rows.map(({ cell }) => cell.method)).toEqual(['learns', 'slow', 'constant', 'broken']);
  const [learns] = board.rows;
  // Student's t for 2 degrees of freedom is 4.303; s = 0.02.
  expect(learns?.values.quality?.mean).toBeCloseTo(0.92, 12);
  expect(learns?.values.quality?.half).toBeCloseTo((4.303 * 0.02) / Math.sqrt(3), 12);
  expect(board.separation).toMatchObject({ method: 'learns', from: 0.5 });
  expect(board.separation?.share).toBeCloseTo(0.84, 12);
});

it('has a GPU’s memory from trials that had it for themselves', () => {
  const seeds = knownResults('learns', { accuracies: [0.9, 0.8], devicePeakBytes: 9e9 }, { alone: false });
  const timing = knownResults('learns', { accuracies: [0.1], devicePeakBytes: 2e9 }, { kind: 'timing', key: 'timing' });
  const of = (all: typeof results) => createReport({ results: all, suite, now }).boards[0]?.rows[0]?.values.peakBytes;
  expect(of([...seeds, ...timing])?.values).toEqual([2e9]);
  expect(of(seeds)).toBeUndefined();
});

it('says what shuffled labels close of the gap, and whether the task counts', () => {
  const cell = { model: 'tiny', task: 'mine, labels shuffled', method: 'learns', budget: 'short' };
  const shuffled = (accuracies: number[], key = 'shuffled') =>
    knownResults('learns', { accuracies }, { cell, key }).concat(knownFailure('broken', 'again', { cell }));
  const of = (control: typeof results) => createReport({ results: [...results, ...control], suite, now });
  expect(report.boards.map(verdictOf)).toEqual(['unknown']);

  const chance = of(shuffled([0.51]));
  expect(chance.boards.map(({ title }) => title)).toEqual(['mine: tiny, short']);
  expect(chance.boards.map(verdictOf)).toEqual(['counts']);
  expect(reportMarkdown(chance)).toContain(
    'learns closes 84 % of the gap from 0.500 to 1; with labels shuffled learns closes 2 %.',
  );
  expect(reportMarkdown(chance)).toContain('- labels shuffled: broken, seed, seed 1, rate 0.1: error: again');
  expect(taskTable(chance)).toContain(
    '| mine | accuracy | 0.500 | 1 | learns, 0.920 | 84 % | learns, 0.510 | 2 % | yes |',
  );
  expect(doubtfulTasks(chance)).toEqual([]);

  const leaky = of(shuffled([0.8]));
  expect(leaky.boards.map(verdictOf)).toEqual(['learnt without labels']);
  expect(doubtfulTasks(leaky)).toEqual(['mine']);
  const hard = knownResults('learns', { accuracies: [0.74] });
  expect(createReport({ results: hard, now }).boards.map(verdictOf)).toEqual(['too hard']);
});

it('has only the cells of a suite where one is named, whatever suite they were made for', () => {
  const other = knownResults('learns', { accuracies: [0.9] }, { suite: 'another' });
  expect(createReport({ results: other, suite, now }).boards).toHaveLength(1);
  expect(createReport({ results: other, suite: { ...suite, methods: {} }, now }).boards).toEqual([]);
});

it('takes time and money of all steps from a step’s', () => {
  const [learns] = board.rows;
  expect(learns?.values.trainSeconds?.values).toEqual([200, 202, 204]);
  expect(learns?.values.money?.mean).toBeCloseTo(0.202, 12);
  expect(createReport({ results, now }).boards[0]?.rows[0]?.values).not.toHaveProperty('money');
});

it('puts on a frontier what nothing beats, by each cost', () => {
  const frontiers = Object.fromEntries(axesOf(board).map(({ name, points }) => [name, frontierNames(points)]));
  expect(frontiers).toEqual({
    ...{ peakBytes: ['constant', 'learns'], trainSeconds: ['learns'], money: ['learns'] },
    ...{ adapterBytes: ['learns'], forgetting: ['learns'] },
  });
});

it('is a Markdown table', () => {
  const text = reportMarkdown(report);
  expect(text).toContain('| learns | 0.920 ± 0.050 | 3 | 0.1 |');
  expect(text).toContain('| broken (no result; 1 failed) | – | 0 | 0.1 |');
  expect(text).toContain('- broken, seed, seed 1, rate 0.1: error: no <memory> | left');
  expect(text).toContain('10 trials, on Example CPU, 2 threads, 8 GB, linux x64, of commit abcdef0123');
  expect(text).toContain('learns closes 84 % of the gap from 0.500 to 1.');
});

it('is a page that needs nothing else', async () => {
  const html = await reportHtml(report);
  expect(html).not.toMatch(/<script|<link|<img|@import|url\(|href="http/);
  expect(html.match(/<svg/g)).toHaveLength(6);
  expect(html).toContain('no &lt;memory&gt; | left');
  expect(html).toContain('prefers-color-scheme: dark');
  expect(html).toContain('@media print');
});

it('gives the Pareto picture as SVG and PNG', async () => {
  const svg = (await paretoPicture(board, 'peakBytes')) as string;
  for (const method of ['learns', 'slow', 'constant']) expect(svg).toContain(`>${method}</text>`);
  expect(svg).not.toContain('currentColor');
  const png = await rasterise(svg);
  expect(Buffer.from(png.subarray(1, 4)).toString()).toBe('PNG');
  expect(await paretoPicture(board, 'none')).toBeNull();
});

it('shows results of PEFT’s beside them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'peft-'));
  try {
    const file = join(import.meta.dirname, '../fixtures/peft-result.json');
    await importPeftResult(folder, file);
    await importPeftResult(folder, file);
    const imported = await readPeftResults(folder);
    expect(imported).toEqual([JSON.parse(await readFile(file, 'utf8'))]);
    const both = createReport({ results, imported, now });
    expect(both.boards.map(({ title }) => title)).toEqual([
      'mine: tiny, short',
      'metamath and gsm8k: someone/example-1B, 5000 steps',
    ]);
    const [row] = (both.boards[1] as Board).rows;
    expect(row).toMatchObject({ learningRate: 1e-4, seeds: 1, machines: ['Example GPU, x86_64, Linux x86_64'] });
    expect(Object.entries(row?.values ?? {}).map(([name, { mean }]) => [name, mean])).toEqual([
      ...[
        ['quality', 0.25],
        ['forgetting', 0.125],
        ['peakBytes', 12e9],
      ],
      ...[
        ['trainSeconds', 1000.25],
        ['trainedParameters', 1e6],
        ['adapterBytes', 4e6],
      ],
    ]);
    expect(reportMarkdown(both)).toContain('| lora/example-rank4 (1 seed) | 0.250 | 1 | 1e-4 | 0.125 | 12.0 GB |');

    const wrong = join(folder, 'wrong.json');
    await writeFile(wrong, JSON.stringify(results[0]));
    await expect(importPeftResult(folder, wrong)).rejects.toThrow('this is a result of the bench itself');
    await writeFile(wrong, '{ "run_info": {} }');
    await expect(importPeftResult(folder, wrong)).rejects.toThrow('no result of PEFT');
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('draws what was measured elsewhere as it draws trials, in words of its own', async () => {
  const row = (name: string, quality: number, money: number) => ({
    ...{
      name,
      quality,
      values: { money, modelBytes: 4e6, totalSeconds: 9 },
      learningRate: 1e-3,
      settings: { layers: 2 },
    },
    curve: [
      { step: 0, value: 5 },
      { step: 8, value: 1 },
    ],
  });
  const given = givenReport({
    ...{ title: 'loss on held-out rows', summary: 'Two <models>.', prices: suite.prices, now },
    metric: { name: 'loss', higherIsBetter: false, chance: null, ceiling: 0 },
    rows: [row('dear', 0.9, 3), row('cheap', 0.5, 1), row('best', 0.2, 4)],
    words: { surroundings: 'One run each.', row: ['task', 'Tasks'] },
  });
  const [only] = given.boards as [Board];
  expect(only.rows.map(({ cell }) => cell.method)).toEqual(['best', 'cheap', 'dear']);
  const axes = axesOf(only);
  expect(axes.map(({ name }) => name)).toEqual(['money', 'totalSeconds', 'modelBytes']);
  expect(axes.map(({ points }) => frontierNames(points))).toEqual([['cheap', 'best'], ['best'], ['best']]);
  const page = await reportHtml(given, 'a path');
  for (const text of ['One run each.', '<th>task</th>', '<h2>Tasks</h2>', 'size of the model', 'Two &lt;models&gt;.']) {
    expect(page).toContain(text);
  }
  expect(page).not.toContain('trials');
  expect(await reportHtml(report)).toContain('<h2>Methods</h2>');
});
