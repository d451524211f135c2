import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { explainCurve, explainRun } from './explain-run.js';
import type { RunCurve } from './run-curve.js';

/** A run of benchmarks/planted-runs.ts. */
interface Planted {
  readonly name: string;
  readonly planted: string;
  readonly seed: number;
  readonly curve: RunCurve;
}

const planted = readFileSync(new URL('../../../../benchmarks/planted-runs.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line): Planted => {
    const { name, planted, seed, steps, ended, rows, loss, learningRate, evaluations } = JSON.parse(line);
    const points = (evaluations as [number, number][]).map(([step, value]) => ({ step, loss: value }));
    const curve = { plannedSteps: steps, ended, rows, losses: loss, learningRates: learningRate, evaluations: points };
    return { name, planted, seed, curve };
  });

/** What is said first of a run. */
function said({ curve }: Planted): string {
  return explainCurve(curve).findings[0]?.symptom ?? 'healthy';
}

/** Those that something else is said of than what was planted. */
function wrong(runs: readonly Planted[]): string[] {
  return runs.filter((run) => said(run) !== run.planted).map((run) => `${run.name}: ${said(run)}`);
}

describe('explainRun on real short runs', () => {
  const sick = planted.filter((run) => run.planted !== 'healthy');
  const healthy = planted.filter((run) => run.planted === 'healthy');
  // The borders were chosen by looking at seeds 1 and 2.
  const held = sick.filter(({ seed }) => seed > 2);

  it('has at least thirty planted cases, some of each kind on either side', () => {
    expect(sick.length).toBeGreaterThanOrEqual(30);
    const kinds = new Set(sick.map((run) => run.planted));
    expect(kinds.size).toBe(6);
    expect(new Set(held.map((run) => run.planted))).toEqual(kinds);
  });

  it('tells nine in ten right, and of those that no border was chosen by too', () => {
    expect(wrong(sick).length, wrong(sick).join('\n')).toBeLessThanOrEqual(0.1 * sick.length);
    expect(wrong(held).length, wrong(held).join('\n')).toBeLessThanOrEqual(0.1 * held.length);
  });

  it('leaves healthy runs alone', () => {
    expect(healthy.length).toBeGreaterThanOrEqual(8);
    expect(wrong(healthy)).toEqual([]);
  });
});

/** A curve that falls from 4 to 1 with so many steps to a third of the way, and what is changed of it. */
function curve(changes: Partial<RunCurve> = {}, steps = 60): RunCurve {
  const at = (step: number): number => 1 + 3 * Math.exp((-6 * step) / steps);
  return {
    plannedSteps: steps,
    ended: true,
    rows: 8,
    losses: Array.from({ length: steps }, (_, step) => at(step)),
    learningRates: Array.from({ length: steps }, () => 1e-3),
    evaluations: Array.from({ length: 11 }, (_, index) => ({ step: index * 6, loss: at(index * 6) })),
    ...changes,
  };
}

describe('explainCurve', () => {
  it('finds nothing in a curve that falls and settles', () => {
    expect(explainCurve(curve()).findings).toEqual([]);
  });

  it('sees a run that broke off for its rate, however few steps it had', () => {
    const [found] = explainCurve(curve({ ended: false, losses: [4, 5, 9, 30], evaluations: [] })).findings;
    expect(found).toMatchObject({
      symptom: 'rate-too-high',
      change: { key: 'trainer.learningRate', from: 1e-3, to: 1e-4 },
    });
  });

  it('names the step to stop at where the held-out loss rises', () => {
    const { losses, evaluations } = curve();
    const rising = evaluations.map(({ step, loss }) => ({ step, loss: step > 24 ? 1.3 + (step - 24) / 50 : loss }));
    const falling = losses.map((loss, step) => loss * (1 - step / 80));
    const [found] = explainCurve(curve({ losses: falling, evaluations: rising })).findings;
    expect(found).toMatchObject({
      symptom: 'overfitting',
      evidence: { bestAt: 0.4 },
      change: { key: 'trainer.steps', from: 60, to: 24 },
    });
  });

  it('says of fewer than eight steps that they are too few to read', () => {
    expect(explainCurve(curve({ losses: [4, 3, 2], evaluations: [] }))).toEqual({
      findings: [],
      unknown: '3 steps are too few to read; 8 show something',
    });
    expect(explainRun([]).unknown).toBeDefined();
  });

  it('is the same of losses of another scale', () => {
    const scaled = (factor: number): RunCurve => {
      const { losses, evaluations } = curve({ rows: 1 });
      return curve({
        rows: 1,
        losses: losses.map((loss, step) => factor * loss * (step % 2 === 0 ? 1.2 : 0.8)),
        evaluations: evaluations.map(({ step, loss }) => ({ step, loss: factor * loss })),
      });
    };
    expect(explainCurve(scaled(1)).findings.map(({ symptom }) => symptom)).toEqual(['batch-too-small']);
    expect(explainCurve(scaled(50)).findings.map(({ symptom }) => symptom)).toEqual(['batch-too-small']);
  });
});
