/**
 * `npm run bench:estimate`: what the estimate says a run takes against the peak that it took, on shapes that its constants
 * were not fitted on, with and without gradient checkpointing and accumulation. First the trainer alone, on rows of one
 * length; then `tunesmith plan` against `tunesmith train`, on rows of one length and of several, with held-out rows and
 * samples, also on very small models and with full fine-tuning.
 *
 *     npm run bench:estimate                     # both
 *     npm run bench:estimate -- command wide-80m # one of the two, these shapes
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { adamw, chain, clipByGlobalNorm, estimateTraining, sft } from '@tunesmith/core';
import { type Peaks, runCommandCase } from './command-case.js';
import { writeRandomModel, writeRows } from './command-files.js';
import { runCase } from './run-case.js';
import { buildShape, defaults, type StepOptions } from './step-options.js';

const given = process.argv.slice(2);
const trainerShapes = ['stories-15m', 'stories-42m', 'wide-80m'] as const;
const commandShapes = ['stories-800k', 'bundled', ...trainerShapes] as const;
const isShape = (shape: string): boolean =>
  given.includes(shape) || !commandShapes.some((known) => given.includes(known));
const isAsked = (part: string): boolean =>
  given.includes(part) || !['trainer', 'command'].some((name) => given.includes(name));

let worst = 1;
if (isAsked('trainer')) await measureTrainer();
if (isAsked('command')) await measureCommand();
process.stdout.write(`\nFarthest: ${((worst - 1) * 100).toFixed(0)} %\n`);

async function measureTrainer(): Promise<void> {
  printHeader('shape', 'checkpointing', 'accumulation');
  const backend = createOnnxBackend({ device: 'cpu' });
  for (const shape of trainerShapes.filter(isShape)) {
    for (const checkpointing of [false, true]) {
      for (const accumulation of [1, 2]) {
        const options: StepOptions = {
          ...defaults,
          ...{ shape, method: 'lora-all', rows: 4, length: 256, checkpointing, accumulation, steps: 1 },
        };
        const estimate = await estimateTraining({
          model: buildShape(options),
          backend,
          objective: sft,
          optimizer: chain(clipByGlobalNorm(1), adamw()),
          batchSize: options.rows,
          gradientAccumulation: accumulation,
          gradientCheckpointing: checkpointing,
          length: options.length,
        });
        const { peakBytes } = await runCase(options);
        const peaks = { estimatedBytes: estimate.peakBytes, measuredBytes: peakBytes };
        printCase(peaks, shape, onOff(checkpointing), accumulation);
      }
    }
  }
}

async function measureCommand(): Promise<void> {
  printHeader('shape', 'method', 'rows', 'checkpointing', 'accumulation');
  const root = await mkdtemp(join(tmpdir(), 'bench-estimate-'));
  const folders = { work: join(root, 'work'), cache: join(root, 'cache') };
  await mkdir(folders.cache);
  const [one, several] = ['250 tokens', '12–250 tokens'] as const;
  const rows = { [one]: join(root, 'one.jsonl'), [several]: join(root, 'several.jsonl') };
  await writeRows(rows[one], 64, 250, 250);
  await writeRows(rows[several], 64, 12, 250);
  try {
    for (const shape of commandShapes.filter(isShape)) {
      const model = join(root, shape);
      await writeRandomModel(model, shape);
      const measure = async (
        method: string,
        lengths: keyof typeof rows,
        checkpointing: boolean,
        accumulation: number,
      ) => {
        const recipe = {
          model: { path: model },
          data: { train: rows[lengths], validation: 0.125, maxLength: 256 },
          method,
          ...(method === 'lora' ? { lora: { targetModules: 'all-linear' } } : {}),
          trainer: {
            ...{ steps: 12, batchSize: 2, evaluateEvery: 6, samplePrompts: ['12345'] },
            ...{ gradientAccumulation: accumulation, gradientCheckpointing: checkpointing },
          },
        };
        const peaks = await runCommandCase(recipe, folders);
        printCase(peaks, shape, method, lengths, onOff(checkpointing), accumulation);
      };
      for (const lengths of [one, several] as const) {
        for (const checkpointing of [false, true]) {
          for (const accumulation of [1, 2]) await measure('lora', lengths, checkpointing, accumulation);
        }
      }
      await measure('full', several, false, 1);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

function printHeader(...names: readonly string[]): void {
  const header = [...names, 'estimated', 'measured', 'ratio'];
  process.stdout.write(`\n| ${header.join(' | ')} |\n|${' --- |'.repeat(header.length)}\n`);
}

function printCase({ estimatedBytes, measuredBytes }: Peaks, ...names: readonly (string | number)[]): void {
  const ratio = estimatedBytes / measuredBytes;
  worst = Math.max(worst, ratio, 1 / ratio);
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  const cells = [...names, megabytes(estimatedBytes), megabytes(measuredBytes), ratio.toFixed(2)];
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}

function onOff(value: boolean): string {
  return value ? 'on' : 'off';
}
