/**
 * Prints what `sst2.ts` and `sst2_peft.py` found: the accuracy of each method over its seeds, and how far the two programs are
 * apart where both trained it, with a 95 % interval after Welch.
 *
 *     npx tsx parity/peers/sst2-table.ts results.jsonl
 */
import { readFileSync } from 'node:fs';

interface Result {
  readonly by: 'tunesmith' | 'pytorch';
  readonly method: string;
  readonly learningRate: number;
  readonly accuracy: number;
}

/** Student's t at 97.5 % by degrees of freedom, from 1. */
const t975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

const [file = 'parity/peers/sst2.jsonl'] = process.argv.slice(2);
const results = readFileSync(file, 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('{'))
  .map((line) => JSON.parse(line) as Result);

const print = (...cells: readonly string[]): boolean => process.stdout.write(`| ${cells.join(' | ')} |\n`);
print('method', 'rate', 'Tunesmith, %', 'PyTorch + PEFT, %', 'difference, points');
print('---', '---', '---', '---', '---');
for (const method of new Set(results.map((result) => result.method))) {
  const [ours = [], theirs = []] = (['tunesmith', 'pytorch'] as const).map((by) =>
    results.filter((result) => result.by === by && result.method === method).map(({ accuracy }) => 100 * accuracy),
  );
  const rate = results.find((result) => result.method === method)?.learningRate as number;
  print(method, String(rate), shown(ours), shown(theirs), difference(ours, theirs));
}

/** Mean and standard deviation, which one seed has none of. */
function shown(values: readonly number[]): string {
  if (values.length < 2) return values.map((value) => value.toFixed(2)).join('');
  return `${mean(values).toFixed(2)} ± ${Math.sqrt(variance(values)).toFixed(2)}`;
}

function difference(a: readonly number[], b: readonly number[]): string {
  if (a.length < 2 || b.length < 2) return '';
  const [errorA, errorB] = [variance(a) / a.length, variance(b) / b.length];
  // Welch and Satterthwaite's degrees of freedom, rounded down.
  const freedom = (errorA + errorB) ** 2 / (errorA ** 2 / (a.length - 1) + errorB ** 2 / (b.length - 1));
  const half =
    (t975[Math.min(Math.max(Math.floor(freedom), 1), t975.length) - 1] as number) * Math.sqrt(errorA + errorB);
  const [low, high] = [-half, half].map((each) => mean(a) - mean(b) + each) as [number, number];
  return `${(mean(a) - mean(b)).toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function variance(values: readonly number[]): number {
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}
