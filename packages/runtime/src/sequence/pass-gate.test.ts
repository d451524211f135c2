import { expect, it } from 'vitest';
import { passGate } from './pass-gate.js';

const hold = (gate: { quality?: number; loss?: number }, quality: number, metric = 'exactMatch', other?: number) =>
  passGate(
    { name: 'student', gate: { ...gate, betterThan: other === undefined ? null : 0 } },
    { quality, loss: metric === 'loss' ? quality : 0.3 },
    { metric, run: '/out/2-student', other: other === undefined ? undefined : { name: 'alone', quality: other } },
  );

it.each([
  [{ quality: 0.5 }, 0.5, 0.4999, 'exactMatch', undefined],
  [{ quality: 0.5 }, 0.5, 0.5001, 'loss', undefined],
  [{}, 0.31, 0.3, 'exactMatch', 0.3],
  [{}, 0.29, 0.3, 'loss', 0.3],
])('holds a task to %j: %f passes, and %f does not, by %s against %s', (gate, passes, fails, metric, other) => {
  expect(() => hold(gate, passes, metric, other)).not.toThrow();
  expect(() => hold(gate, fails, metric, other)).toThrow('GATE_FAILED at /out/2-student');
});

it('says all that falls short, what was measured, and how to go on', () => {
  expect(() => hold({ quality: 0.9, loss: 0.2 }, 0.25, 'exactMatch', 0.4)).toThrow(
    /the task "student" does not pass its gate; expected exactMatch of at least 0\.9, and a held-out loss of at most 0\.2, and exactMatch better than the 0\.4 of "alone", got exactMatch 0\.25, held-out loss 0\.3\. Train it longer.*remove this folder/,
  );
});
