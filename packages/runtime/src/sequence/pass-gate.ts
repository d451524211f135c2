import { TunesmithError } from '@tunesmith/core';
import type { TaskQuality } from './measure-task.js';
import type { SequenceTask } from './read-sequence.js';

export interface GateOptions {
  readonly metric: string;
  /** The task that it is to be better than, where it is. */
  readonly other?: { readonly name: string; readonly quality: number } | undefined;
  /** The run's folder. */
  readonly run: string;
}

/** Holds a task to its gate. @throws GATE_FAILED with all that falls short, what was measured, and how to go on */
export function passGate(
  { name, gate }: Pick<SequenceTask, 'name' | 'gate'>,
  measured: Pick<TaskQuality, 'quality' | 'loss'>,
  { metric, other, run }: GateOptions,
): void {
  if (gate === null) return;
  const { quality, loss } = measured;
  const isLoss = metric === 'loss';
  const isBetter = (value: number): boolean => (isLoss ? quality < value : quality > value);
  const checks: [boolean, string, string][] = [];
  if (gate.quality !== undefined) {
    const passes = isLoss ? quality <= gate.quality : quality >= gate.quality;
    checks.push([
      passes,
      `${metric} of ${isLoss ? 'at most' : 'at least'} ${gate.quality}`,
      `${metric} ${short(quality)}`,
    ]);
  }
  if (gate.loss !== undefined) {
    checks.push([loss <= gate.loss, `a held-out loss of at most ${gate.loss}`, `held-out loss ${short(loss)}`]);
  }
  if (other !== undefined) {
    const wanted = `${metric} better than the ${short(other.quality)} of "${other.name}"`;
    checks.push([isBetter(other.quality), wanted, `${metric} ${short(quality)}`]);
  }
  const failed = checks.filter(([passes]) => !passes);
  if (failed.length === 0) return;
  throw new TunesmithError('GATE_FAILED', `the task "${name}" does not pass its gate`, {
    where: run,
    expected: failed.map(([, expected]) => expected).join(', and '),
    got: [...new Set(failed.map(([, , got]) => got))].join(', '),
    hint:
      'Train it longer, on more data or from a better model: change the task and remove this folder; or ask less of it. ' +
      'The same command then goes on, and what is done before it stays.',
  });
}

function short(value: number): string {
  return String(Number(value.toFixed(4)));
}
