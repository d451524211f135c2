/**
 * `npm run bench:gpu [-- cuda webgpu cpu]`: LoRA r=8 on q and v of SmolLM2-135M's shape with random weights, fp32, on an NVIDIA GPU through CUDA
 * and WebGPU, and on the CPU of the same machine. Each case runs in a process of its own. A device that fails says why and
 * leaves the others be.
 */
import { availableParallelism } from 'node:os';
import { runCase } from './run-case.js';
import type { StepOptions } from './step-options.js';

const threads = availableParallelism();
const devices: [string, Partial<StepOptions>, NodeJS.ProcessEnv?][] = [
  ['CUDA', { device: 'cuda' }],
  ['CUDA, TF32', { device: 'cuda' }, { NVIDIA_TF32_OVERRIDE: '1' }],
  ['WebGPU', { device: 'webgpu' }],
  [`CPU, ${threads} threads`, { device: 'cpu' }],
];
const batches = [
  [1, 512],
  [2, 256],
  [4, 512],
] as const;
const steps = 10;

const header = ['device', 'batch', 's/step', 'tokens/s', 'TFLOPS', 'GPU GB', 'host GB', 'trace + open s'];
process.stdout.write(`| ${header.join(' | ')} |\n|${' --- |'.repeat(header.length)}\n`);
const wanted = process.argv.slice(2);
for (const [name, given, environment] of devices) {
  if (wanted.length > 0 && !wanted.includes(given.device ?? '')) continue;
  for (const [rows, length] of batches) {
    try {
      const result = await runCase({ ...given, rows, length, threads, steps }, environment);
      const cells = [
        name,
        `${rows}×${length}`,
        result.secondsPerStep.toFixed(4),
        ((rows * length) / result.secondsPerStep).toFixed(0),
        (result.matmulFlops / result.secondsPerStep / 1e12).toFixed(2),
        result.gpuBytes === undefined ? '' : (result.gpuBytes / 1e9).toFixed(2),
        (result.peakBytes / 1e9).toFixed(2),
        ((result.traceMilliseconds + result.openMilliseconds) / 1000).toFixed(1),
      ];
      process.stdout.write(`| ${cells.join(' | ')} |\n`);
    } catch (error) {
      process.stdout.write(`| ${name} | ${rows}×${length} | failed |\n`);
      process.stderr.write(`${name} ${rows}×${length}: ${error instanceof Error ? error.message : error}\n`);
    }
  }
}
