import type { Explanation, Symptom } from '@tunesmith/runtime';
import { formatRate } from './format.js';
import type { Terminal } from './terminal.js';

const names: Readonly<Record<Symptom, string>> = {
  'rate-too-high': 'The learning rate is too high',
  'rate-too-low': 'The learning rate is too low',
  overfitting: 'The run overfits',
  'too-few-epochs': 'Too few epochs',
  'too-many-epochs': 'Too many epochs',
  'batch-too-small': 'The batch is too small',
};

export function printExplanation(
  { findings, unknown, measures, warnings = [] }: Explanation,
  terminal: Terminal,
): void {
  if (unknown !== undefined) terminal.print(unknown);
  else if (findings.length + warnings.length === 0)
    terminal.print(`${terminal.style('green', '✓')} nothing looks wrong`);
  for (const message of warnings) terminal.print(`${terminal.style(['yellow', 'bold'], 'A collapse')}: ${message}.`);
  for (const { symptom, says, change, hint } of findings) {
    terminal.print(`${terminal.style(['yellow', 'bold'], names[symptom])}: ${says}.`);
    const value = `--set ${change.key}=${shown(change.to)}`;
    terminal.print(`  try ${terminal.style('bold', value)} (now ${shown(change.from)}), ${hint}`);
  }
  if (measures === undefined) return;
  const numbers = Object.entries(measures).flatMap(([name, value]) =>
    value === null ? [] : [`${name} ${Number(value.toPrecision(3))}`],
  );
  terminal.print(terminal.style('dim', numbers.join('  ')));
}

/** Steps and rows as they are, rates short. */
function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : formatRate(value);
}
