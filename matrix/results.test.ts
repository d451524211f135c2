import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type MatrixResults, openResults, resultsPage, saveResults } from './results.js';
import { extents, shardKey, shards } from './shards.js';

const results: MatrixResults = {
  commit: 'abc',
  environment: { node: '20' },
  shards: {
    'full/llama/onnx-cpu': { passed: 10, failures: [], seconds: 8.2, at: '2026-01-01T00:00:00Z' },
    'full/llama/tfjs-cpu': { passed: 9, failures: ['merges: broken'], seconds: 9, at: '2026-01-02T00:00:00Z' },
    'full/gpt2/onnx-cpu': {
      passed: 10,
      failures: [],
      earlierFailures: ['starts: timed out'],
      seconds: 7,
      at: '2026-01-01T00:00:00Z',
    },
  },
};

it('resumes what one commit and environment left, and nothing else', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunesmith-results-'));
  const path = join(folder, 'results.json');
  try {
    expect(openResults(path, 'abc', { node: '20' }).shards).toEqual({});
    saveResults(path, results);
    expect(openResults(path, 'abc', { node: '20' })).toEqual(results);
    expect(openResults(path, 'abd', { node: '20' }).shards).toEqual({});
    expect(openResults(path, 'abc', { node: '22' }).shards).toEqual({});
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('shows what passed, what failed and what has not run', () => {
  const page = resultsPage(results);
  expect(page).toContain('| full | llama | 10 passed, 8 s | **1 failed**, 9 passed, 9 s | not run |');
  expect(page).toContain('- `full/llama/tfjs-cpu`: merges: broken');
  expect(page).toMatch(/## Failures of earlier runs.*\n\n- `full\/gpt2\/onnx-cpu`: starts: timed out/);
  expect(page).toContain(`ran: 3 of ${shards.length} shards`);
});

it('names each shard once, on every backend alike', () => {
  expect(new Set(shards.map(shardKey)).size).toBe(shards.length);
  for (const backend of Object.keys(extents)) {
    expect(shards.filter((shard) => shard.backend === backend)).toHaveLength(
      shards.length / Object.keys(extents).length,
    );
  }
});
