import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StepEvent } from '@tunesmith/core';
import { afterAll, describe, expect, it } from 'vitest';
import { openMetricsFile, readMetrics } from './metrics-file.js';

const folder = mkdtempSync(join(tmpdir(), 'metrics-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const fresh = (): string => join(folder, `${files++}.jsonl`);

function step(number: number): StepEvent {
  const counts = { rows: 1, tokens: 1, totalTokens: number, tokensPerSecond: 1, elapsedSeconds: number };
  return {
    type: 'step',
    step: number,
    loss: 1 / number,
    terms: {},
    learningRate: 1,
    gradientNorm: 1,
    observed: {},
    ...counts,
  };
}

function write(path: string, after: number, ...steps: number[]): void {
  const file = openMetricsFile(path, after);
  for (const number of steps) file.write(step(number));
  file.close();
}

const stepsIn = (path: string): number[] => readMetrics(path).map((line) => line.step);

describe('metrics.jsonl', () => {
  it('keeps a warning with the step that it was given before, and drops it where that step is taken again', () => {
    const path = fresh();
    const file = openMetricsFile(path, -1);
    file.write(step(1));
    file.warn('it collapses');
    file.write(step(2));
    file.close();
    expect(readMetrics(path)[1]).toMatchObject({ type: 'warning', step: 2, message: 'it collapses' });
    openMetricsFile(path, 1).close();
    expect(readMetrics(path)).toHaveLength(1);
  });

  it('holds its version, every event, and the memory at its height', () => {
    const path = fresh();
    write(path, -1, 1, 2);
    const [head, first] = readFileSync(path, 'utf8').split('\n');
    expect(JSON.parse(head as string)).toEqual({ type: 'metrics', version: 1 });
    const { peakBytes, ...event } = JSON.parse(first as string);
    expect(event).toEqual(step(1));
    expect(peakBytes).toBeGreaterThan(20e6);
    expect(peakBytes).toBeLessThan(100e9);
    expect(stepsIn(path)).toEqual([1, 2]);
  });
  it('loses what comes after the step that a run goes on from, and no more', () => {
    const path = fresh();
    write(path, -1, 1, 2, 3, 4, 5);
    write(path, 3, 4, 5, 6);
    expect(stepsIn(path)).toEqual([1, 2, 3, 4, 5, 6]);
    write(path, -1);
    expect(stepsIn(path)).toEqual([]);
  });
  it('loses a line that was not finished', () => {
    const path = fresh();
    write(path, -1, 1);
    writeFileSync(path, `${readFileSync(path, 'utf8')}{"type":"step","step":2,"lo`);
    write(path, 5, 2);
    expect(stepsIn(path)).toEqual([1, 2]);
  });
  it('refuses the file of a newer release', () => {
    const path = fresh();
    writeFileSync(path, '{"type":"metrics","version":2}\n');
    expect(() => openMetricsFile(path, -1)).toThrow(/API_VERSION at .*expected version 1, got 2/);
    expect(readFileSync(path, 'utf8')).toContain('"version":2');
  });
});
