import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { betterAnswers } from './better-answers.js';
import { exercises } from './exercises.js';
import { prepareTask } from './prepare-task.js';
import { shuffleLabels } from './shuffle-labels.js';
import type { TaskRow } from './task.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tasks-'));
});
afterAll(() => rm(folder, { recursive: true }));

const noTools = { npmPackage: () => Promise.reject(), dataset: () => Promise.reject() };

const linesOf = async (path: string): Promise<string[]> => (await readFile(path, 'utf8')).trimEnd().split('\n');

describe('exercises', () => {
  it('are the same each time, and no question is in two splits', async () => {
    const task = await prepareTask(exercises, { cacheFolder: folder });
    const again = await prepareTask(exercises, { cacheFolder: folder });
    expect(again).toEqual(task);
    const splits = await Promise.all([task.train, task.validation, task.test].map(linesOf));
    expect(splits.map(({ length }) => length)).toEqual([3000, 90, 200]);
    const [train, validation, test] = splits.map((lines) =>
      lines.map((line) => JSON.parse(line).messages[0].content as string),
    ) as [string[], string[], string[]];
    const held = new Set([...validation, ...test]);
    expect(held.size).toBe(290);
    expect(train.filter((ask) => held.has(ask))).toEqual([]);
    const sums = train.filter((ask) => /plus|Add|sum/.test(ask)).length;
    const orders = train.filter((ask) => /Sort|Arrange/.test(ask)).length;
    for (const count of [sums, orders, 3000 - sums - orders]) expect(Math.abs(count - 1000)).toBeLessThan(200);
  });

  it('have the right answers', async () => {
    const { test } = await exercises.rows(noTools);
    let sums = 0;
    for (const { messages } of test) {
      const [{ content: ask }, { content: answer }] = messages as { content: string }[] as [
        { content: string },
        { content: string },
      ];
      const numbers = ask.match(/\d+/g) ?? [];
      if (/plus|Add|sum/.test(ask)) {
        sums++;
        expect(Number(answer), ask).toBe(Number(numbers[0]) + Number(numbers[1]));
      } else if (/Sort|Arrange/.test(ask)) {
        expect(answer, ask).toBe([...numbers].sort().join(' '));
      } else {
        const name = /(?:the|of) (\w+)(?: cost)?\?$/.exec(ask)?.[1];
        expect(ask).toContain(`${name} ${answer}`);
      }
    }
    expect(sums).toBeGreaterThan(10);
  });
});

describe('better answers', () => {
  const said = (row: TaskRow, side: string): string => (row[side] as [{ content: string }])[0].content;

  it('prefer what is right, and of what is right the whole sentence', async () => {
    const splits = await betterAnswers.rows(noTools);
    expect([splits.train, splits.validation, splits.test].map(({ length }) => length)).toEqual([1600, 80, 240]);
    const held = new Set([...splits.validation, ...splits.test].map((row) => said(row, 'prompt')));
    expect(held.size).toBe(320);
    expect(splits.train.filter((row) => held.has(said(row, 'prompt')))).toEqual([]);
    let manner = 0;
    for (const row of splits.train) {
      const [ask, chosen, rejected] = ['prompt', 'chosen', 'rejected'].map((side) => said(row, side)) as [
        string,
        string,
        string,
      ];
      expect(chosen, ask).not.toBe(rejected);
      if (chosen === `The answer is ${rejected}.`) manner++;
      else if (/plus|Add|sum/.test(ask)) {
        const [a, b] = (ask.match(/\d+/g) ?? []).map(Number) as [number, number];
        expect(Number(chosen), ask).toBe(a + b);
      } else if (/Sort|Arrange/.test(ask)) {
        expect(chosen.split(' '), ask).toEqual(rejected.split(' ').sort());
      }
    }
    expect(Math.abs(manner - 400)).toBeLessThan(80);
  });
});

describe('shuffled labels', () => {
  const splits = (rows: readonly TaskRow[]) => ({ train: rows, validation: rows, test: rows });

  it('exchange labels and keep how many there are of each, but for the test split', () => {
    const rows = Array.from({ length: 60 }, (_, index) => ({ text: `t${index}`, label: index % 2 ? 'a' : 'b' }));
    const { train, test } = shuffleLabels(splits(rows));
    expect(test).toEqual(rows);
    expect(train.map(({ text }) => text)).toEqual(rows.map(({ text }) => text));
    expect(train.filter(({ label }) => label === 'a')).toHaveLength(30);
    const kept = train.filter(({ label }, index) => label === rows[index]?.label).length;
    expect(kept).toBeGreaterThan(15);
    expect(kept).toBeLessThan(45);
  });

  it('toss a coin for which of two answers is preferred', () => {
    const rows = Array.from({ length: 60 }, (_, index) => ({
      prompt: `q${index}`,
      chosen: 'right',
      rejected: 'wrong',
    }));
    const { train, test } = shuffleLabels(splits(rows));
    expect(test).toEqual(rows);
    const kept = train.filter(({ chosen }) => chosen === 'right').length;
    expect(kept).toBeGreaterThan(15);
    expect(kept).toBeLessThan(45);
    expect(train.filter(({ rejected }) => rejected === 'right')).toHaveLength(60 - kept);
  });

  it('exchange answers, and the pieces of a text', () => {
    const chats = Array.from({ length: 20 }, (_, index) => ({
      messages: [{ content: `q${index}` }, { content: `a${index}` }],
    }));
    const { train } = shuffleLabels(splits(chats));
    const answers = train.map(({ messages }) => (messages as { content: string }[])[1]?.content);
    expect([...answers].sort()).toEqual(chats.map(({ messages }) => messages[1]?.content).sort());
    expect(answers).not.toEqual(chats.map(({ messages }) => messages[1]?.content));
    const words = 'getHTMLElement(id: 12)\nreadonly x;  ';
    const [text] = shuffleLabels(splits([{ text: words }])).train as [{ text: string }];
    expect(text.text).not.toBe(words);
    expect([...text.text].sort()).toEqual([...words].sort());
    for (const piece of ['get', 'HTML', 'Element', '12', 'readonly']) expect(text.text).toContain(piece);
  });
});
