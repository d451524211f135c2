import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { quickstartFiles } from '../src/index.js';
import { jsonLines, quickstartData } from './quickstart-data.js';

it('is what lies in the package', async () => {
  const { training, heldOut } = quickstartData();
  expect(await readFile(quickstartFiles().training, 'utf8')).toBe(jsonLines(training));
  expect(await readFile(quickstartFiles().heldOut, 'utf8')).toBe(jsonLines(heldOut));
});

it('holds rows out that no training row gives away', () => {
  const { training, heldOut } = quickstartData();
  const texts = (rows: typeof training) => rows.flatMap(({ messages }) => messages.map(({ content }) => content));
  const seen = new Set(texts(training));
  expect(texts(heldOut).filter((text) => seen.has(text))).toEqual([]);
  expect(seen.size).toBe(2 * training.length);
});
