/**
 * `npm run bench:step`: LoRA r=8 on SmolLM2-135M's shape with random weights, fp32, two threads. Each case runs in a
 * process of its own; plain matrix products of the model's shapes are timed before and after it, so that the share of
 * them that a step reaches is a ratio within one run.
 */
import { matmulBaseline } from './matmul-baseline.js';
import { median } from './median.js';
import { runCase } from './run-case.js';
import { defaults, type StepOptions } from './step-options.js';

const quick = process.argv.includes('--quick');
const cases: Partial<StepOptions>[] = [
  { method: 'lora-qv' },
  { method: 'lora-all' },
  { method: 'lora-qv', rows: 2, length: 256 },
  { method: 'lora-all', rows: 2, length: 256 },
  { method: 'lora-qv', weightedShare: 0.25 },
  ...(quick
    ? []
    : [false, true].map(
        (checkpointing): Partial<StepOptions> => ({ method: 'lora-qv', rows: 4, checkpointing, steps: 2 }),
      )),
];

const header = [
  'method',
  'batch',
  'checkpointing',
  'weighted',
  's/step',
  'CPU s',
  'tokens/s',
  'GFLOPS',
  'of plain MatMul',
  'peak GB',
  'trace + open s',
];
process.stdout.write(`| ${header.join(' | ')} |\n|${' --- |'.repeat(header.length)}\n`);
for (const given of cases) {
  const { rows, length, weightedShare, method, checkpointing } = { ...defaults, ...given };
  const before = await matmulBaseline(rows * length, 2);
  const result = await runCase(given);
  const plain = median([before, await matmulBaseline(rows * length, 2)]);
  const rate = result.matmulFlops / result.secondsPerStep;
  const cells = [
    method,
    `${rows}×${length}`,
    checkpointing ? 'on' : 'off',
    weightedShare.toFixed(2),
    result.secondsPerStep.toFixed(2),
    result.cpuSecondsPerStep.toFixed(2),
    ((rows * length) / result.secondsPerStep).toFixed(0),
    (rate / 1e9).toFixed(0),
    (rate / plain).toFixed(2),
    (result.peakBytes / 1e9).toFixed(2),
    ((result.traceMilliseconds + result.openMilliseconds) / 1000).toFixed(1),
  ];
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}
