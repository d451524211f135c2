import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type MatrixResults, openResults, resultsPage, saveResults } from './results.js';
import { outcomes, type Report } from './run-shards.js';
import { extents, shardKey, shards } from './shards.js';

const results: MatrixResults = {
  environment: { node: '20' },
  shards: {
    'full/llama/onnx-cpu': { passed: 10, failures: [], seconds: 8.2, at: '2026-01-01T00:00:00Z', commit: 'abc' },
    'full/llama/tfjs-cpu': {
      passed: 9,
      failures: ['merges: broken'],
      seconds: 9,
      at: '2026-01-02T00:00:00Z',
      commit: 'abd',
    },
    'full/gpt2/onnx-cpu': {
      passed: 10,
      failures: [],
      earlierFailures: ['starts: timed out'],
      seconds: 7,
      at: '2026-01-01T00:00:00Z',
      commit: 'abc',
    },
  },
};

it('resumes what one environment left, and nothing else', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunesmith-results-'));
  const path = join(folder, 'results.json');
  try {
    expect(openResults(path, { node: '20' }).shards).toEqual({});
    saveResults(path, results);
    expect(openResults(path, { node: '20' })).toEqual(results);
    expect(openResults(path, { node: '22' }).shards).toEqual({});
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('shows what passed, what failed and what has not run', () => {
  const page = resultsPage(results);
  expect(page).toContain('| full | llama | 10 passed, 8 s | **1 failed**, 9 passed, 9 s | not run |');
  expect(page).toContain('- `full/llama/tfjs-cpu`: merges: broken');
  expect(page).toMatch(/## Failures of earlier runs.*\n\n- `full\/gpt2\/onnx-cpu`: starts: timed out/);
  expect(page).toContain('- commit: abc (shards: 2)\n- commit: abd (shards: 1)\n');
  expect(page).toContain(`passed: 2 of ${shards.length} shards, of which 3 ran`);
});

it('names each shard once, on every backend alike', () => {
  expect(new Set(shards.map(shardKey)).size).toBe(shards.length);
  for (const backend of Object.keys(extents)) {
    expect(shards.filter((shard) => shard.backend === backend)).toHaveLength(
      shards.length / Object.keys(extents).length,
    );
  }
});

describe('what a report says of shards that ran in one process', () => {
  const test = (key: string, title: string, status = 'passed', ...failureMessages: string[]) => {
    const ancestorTitles = [key, 'method full', 'llama'];
    return { ancestorTitles, fullName: [...ancestorTitles, title].join(' '), status, duration: 1500, failureMessages };
  };
  const report = (...assertionResults: ReturnType<typeof test>[]): Report => ({
    testResults: [{ message: '', assertionResults }],
  });
  const of = (keys: string[], ...rest: [Report | undefined, number | string]) =>
    Object.fromEntries([...outcomes(keys, ...rest, 'its last line')].map(([key, { at, ...result }]) => [key, result]));

  it('gives each its own tests', () => {
    const ran = report(
      test('a', 'merges'),
      test('a', 'starts'),
      test('b', 'merges', 'failed', 'Error: broken\n  at x'),
    );
    expect(of(['a', 'b', 'c'], ran, 1)).toEqual({
      a: { passed: 2, failures: [], seconds: 3 },
      b: { passed: 0, failures: ['method full llama merges: Error: broken'], seconds: 1.5 },
      c: { passed: 0, failures: ['no test ran'], seconds: 0 },
    });
  });

  it('fails what was running when the process broke off, and what had not begun', () => {
    expect(of(['a'], report(test('a', 'merges', 'pending')), 1).a?.failures).toEqual([
      'method full llama merges: broke off',
    ]);
  });

  it('fails a test that was skipped, and all shards by what went wrong outside of the tests', () => {
    expect(of(['a'], report(test('a', 'merges', 'skipped')), 0).a?.failures).toEqual([
      'method full llama merges: skipped',
    ]);
    for (const ran of [report(test('a', 'merges')), undefined]) {
      expect(of(['a'], ran, 'SIGSEGV').a?.failures).toEqual(['vitest ended with SIGSEGV: its last line']);
    }
    const unread: Report = { testResults: [{ message: 'cannot import\nx', assertionResults: [] }] };
    expect(of(['a', 'b'], unread, 1)).toMatchObject({
      a: { failures: ['cannot import'] },
      b: { failures: ['cannot import'] },
    });
  });
});
