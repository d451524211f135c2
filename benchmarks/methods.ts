/**
 * `npm run bench:methods`: what a step of every method costs beside full fine-tuning and LoRA, on the bundled model and on
 * SmolLM2-135M's shape. Each case runs in a process of its own, and all in one run, full fine-tuning first and last, so
 * that the ratios hold even where the seconds do not.
 *
 *     npm run bench:methods                          # both shapes, every method
 *     npm run bench:methods -- bundled lora-qv ia3   # one shape, these methods
 */
import { type BenchMethod, benchMethods } from './bench-methods.js';
import { runCase, type StepResult } from './run-case.js';
import { defaults, type StepOptions, shapes } from './step-options.js';

const given = process.argv.slice(2);
const names = Object.keys(benchMethods) as BenchMethod[];
const chosenShapes = (['bundled', 'smollm2-135m'] as const).filter(
  (shape) => given.includes(shape) || !given.some((word) => word in shapes),
);
const chosen = names.filter((name) => given.includes(name) || !given.some((word) => word in benchMethods));

const header = ['method', 'trained', 's/step', 'of full', 'of LoRA', 'CPU s', 'peak GB', 'of full', 'trace + open s'];
for (const shape of chosenShapes) {
  const sizes: Partial<StepOptions> = shape === 'bundled' ? { rows: 4, length: 256, steps: 12 } : { steps: 5 };
  const measure = (method: BenchMethod): Promise<StepResult> => runCase({ shape, method, ...sizes });
  const { rows, length } = { ...defaults, ...sizes };
  process.stdout.write(
    `\n${shape}, ${rows}×${length}\n\n| ${header.join(' | ')} |\n|${' --- |'.repeat(header.length)}\n`,
  );
  const first = await measure('full');
  const lora = await measure('lora-qv');
  process.stdout.write(line(first, first, lora));
  process.stdout.write(line(lora, first, lora));
  for (const method of chosen) {
    if (method !== 'full' && method !== 'lora-qv') process.stdout.write(line(await measure(method), first, lora));
  }
  const last = await measure('full');
  process.stdout.write(line({ ...last, method: 'full, again' as BenchMethod }, first, lora));
}

function line(result: StepResult, full: StepResult, lora: StepResult): string {
  const { method, trainedShare, secondsPerStep, cpuSecondsPerStep, peakBytes } = result;
  const cells = [
    method,
    `${(100 * trainedShare).toPrecision(3)} %`,
    secondsPerStep.toPrecision(3),
    (secondsPerStep / full.secondsPerStep).toFixed(2),
    (secondsPerStep / lora.secondsPerStep).toFixed(2),
    cpuSecondsPerStep.toPrecision(3),
    (peakBytes / 1e9).toFixed(2),
    (peakBytes / full.peakBytes).toFixed(2),
    ((result.traceMilliseconds + result.openMilliseconds) / 1000).toFixed(1),
  ];
  return `| ${cells.join(' | ')} |\n`;
}
