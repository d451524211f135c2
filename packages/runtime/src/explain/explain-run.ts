import type { MetricsLine } from '../run/metrics-file.js';
import { type CurveMeasures, measureCurve } from './measure-curve.js';
import { curveOf, type RunCurve } from './run-curve.js';

/** What can be wrong with a run's length, learning rate or batch. */
export type Symptom =
  | 'rate-too-high'
  | 'rate-too-low'
  | 'overfitting'
  | 'too-few-epochs'
  | 'too-many-epochs'
  | 'batch-too-small';

/** One thing that is wrong, what shows it, and what to try. */
export interface Finding {
  readonly symptom: Symptom;
  /** What the curve does, with its numbers. */
  readonly says: string;
  /** The measures that the rule went by. */
  readonly evidence: Partial<CurveMeasures>;
  /** A key of the recipe and a value to try; the first of several that would help. */
  readonly change: { readonly key: string; readonly from: number; readonly to: number };
  /** What else helps. */
  readonly hint: string;
}

export interface Explanation {
  /** None of a healthy run; else what is most certain first. */
  readonly findings: readonly Finding[];
  /** Why nothing can be said, where nothing can. */
  readonly unknown?: string;
  readonly measures?: CurveMeasures;
  /** What the run was warned of as it went: signs of a collapse, where a policy learns from its own answers. */
  readonly warnings?: readonly string[];
}

/** Fewer steps than these show nothing but noise. */
const fewestSteps = 8;

/**
 * The borders of the rules, chosen on half of benchmarks/planted-runs.jsonl (seeds 1 and 2) and held to the other half.
 * Each is a value of the measure of its name.
 */
const borders = {
  highest: 1.3,
  rise: 0.5,
  slowFall: 0.3,
  steadySpeed: 0.6,
  overfitRise: 0.06,
  overfitFall: 0.1,
  stillFalling: 0.35,
  overfitFrom: 0.75,
  settledEarly: 0.6,
  noise: 0.09,
  smallBatch: 2,
} as const;

/**
 * What a run's metrics say of its learning rate, length and batch, as textbooks read loss curves. A pure function of the
 * metrics; docs/reading-a-run.md says each rule in words. A rule is asked only where those before it found nothing that would
 * explain the same: a rate that is too high spoils every later sign. Of a policy's losses, which begin at zero with each rollout, they
 * say nothing: it is told by its warnings alone.
 */
export function explainRun(lines: readonly MetricsLine[]): Explanation {
  const warnings = lines.flatMap((line) => (line.type === 'warning' ? [line.message] : []));
  const isPolicy = lines.some((line) => line.type === 'step' && line.terms.kl_old !== undefined);
  return { ...(isPolicy ? { findings: [] } : explainCurve(curveOf(lines))), warnings };
}

export function explainCurve(curve: RunCurve): Explanation {
  const { losses } = curve;
  if (losses.length < fewestSteps && !(diverged(curve) && losses.length > 0)) {
    return { findings: [], unknown: `${losses.length} steps are too few to read; ${fewestSteps} show something` };
  }
  const measures = measureCurve(curve);
  const high = rateTooHigh(curve, measures);
  if (high !== null) return { findings: [high], measures };
  const low = rateTooLow(curve, measures);
  if (low !== null) return { findings: [low], measures };
  const length = overfitting(curve, measures) ?? tooMany(curve, measures) ?? tooFew(curve, measures);
  const batch = batchTooSmall(curve, measures);
  // Of a curve that noise bends, its end says little.
  const findings = length?.symptom === 'overfitting' ? [length, batch] : [batch, batch === null ? length : null];
  return { findings: findings.filter((each) => each !== null), measures };
}

/** Whether the run broke off: it has fewer steps than it was to have, and its last losses are above its first. */
function diverged({ ended, losses }: RunCurve): boolean {
  return !ended && (losses.at(-1) ?? 0) > 2 * (losses[0] ?? Number.POSITIVE_INFINITY);
}

function rateTooHigh(curve: RunCurve, { highest, rise }: CurveMeasures): Finding | null {
  const peak = Math.max(...curve.learningRates);
  const finding = (says: string): Finding => ({
    symptom: 'rate-too-high',
    says,
    evidence: { highest, rise },
    change: { key: 'trainer.learningRate', from: peak, to: round(peak / 10) },
    hint: 'or find one with --find-learning-rate; a warm-up (trainer.schedule.warmup) lets a somewhat high one pass',
  });
  if (diverged(curve)) return finding(`the run broke off at a loss of ${short(curve.losses.at(-1))}, above its first`);
  if (highest > borders.highest) {
    return finding(`the training loss climbs to ${short(highest)} times what it began with`);
  }
  if (rise > borders.rise) {
    return finding(`the training loss swings: it rises again by ${percent(rise)} of what it began with`);
  }
  return null;
}

function rateTooLow({ learningRates }: RunCurve, { fall, lateSpeed }: CurveMeasures): Finding | null {
  if (fall > borders.slowFall || lateSpeed < borders.steadySpeed) return null;
  const peak = Math.max(...learningRates);
  return {
    symptom: 'rate-too-low',
    says: `the loss falls smoothly but by ${percent(fall)} in all, and at the end as fast as on average (${short(lateSpeed)} of it)`,
    evidence: { fall, lateSpeed },
    change: { key: 'trainer.learningRate', from: peak, to: round(peak * 10) },
    hint: 'or find one with --find-learning-rate',
  };
}

function overfitting(curve: RunCurve, { aboveBest, fallAfterBest, bestAt }: CurveMeasures): Finding | null {
  if (aboveBest === null || fallAfterBest === null || bestAt === null) return null;
  // One bad evaluation at the end is no rise.
  if (bestAt > borders.overfitFrom) return null;
  if (aboveBest < borders.overfitRise || fallAfterBest < borders.overfitFall) return null;
  const best = stepAt(curve, bestAt);
  return {
    symptom: 'overfitting',
    says: `from step ${best} on the held-out loss rises by ${percent(aboveBest)}, while the training loss falls by ${percent(fallAfterBest)}`,
    evidence: { aboveBest, fallAfterBest, bestAt },
    change: { key: 'trainer.steps', from: curve.losses.length, to: best },
    hint: 'more data is the cure; else early stopping (trainer.earlyStopping), dropout, weight decay, a smaller rank',
  };
}

function tooMany(curve: RunCurve, { settledAt, fallAfterBest }: CurveMeasures): Finding | null {
  if (settledAt === null || settledAt === 0 || settledAt > borders.settledEarly) return null;
  const settled = stepAt(curve, settledAt);
  return {
    symptom: 'too-many-epochs',
    says: `the held-out loss has gained nothing since step ${settled} of ${curve.losses.length}`,
    evidence: { settledAt, fallAfterBest },
    change: { key: 'trainer.steps', from: curve.losses.length, to: settled },
    hint: 'early stopping (trainer.earlyStopping) finds the step by itself',
  };
}

function tooFew({ losses }: RunCurve, { fall, lateSpeed }: CurveMeasures): Finding | null {
  if (lateSpeed < borders.stillFalling || fall <= 0) return null;
  return {
    symptom: 'too-few-epochs',
    says: `the loss still falls at the end, ${short(lateSpeed)} times as fast as on average`,
    evidence: { fall, lateSpeed },
    change: { key: 'trainer.steps', from: losses.length, to: losses.length * 2 },
    hint: 'or trainer.epochs',
  };
}

function batchTooSmall({ rows }: RunCurve, { noise }: CurveMeasures): Finding | null {
  if (rows > borders.smallBatch || noise < borders.noise) return null;
  return {
    symptom: 'batch-too-small',
    says: `a step of ${rows} ${rows === 1 ? 'row' : 'rows'} is noise: losses of steps side by side differ by ${percent(noise)}`,
    evidence: { noise },
    change: { key: 'trainer.batchSize', from: rows, to: 8 },
    hint: 'or trainer.gradientAccumulation, where memory does not hold as many; a smaller rate averages over more rows too',
  };
}

function stepAt({ evaluations }: RunCurve, share: number): number {
  return Math.round(share * (evaluations.at(-1)?.step ?? 0));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function short(value: number | undefined): string {
  return String(Number((value ?? Number.NaN).toPrecision(3)));
}

/** Two digits are as much as a guess is worth. */
function round(rate: number): number {
  return Number(rate.toPrecision(2));
}
