/**
 * `npm run bench:estimate`: what the estimate says a run takes against the peak that it took, on shapes that its constants
 * were not fitted on, with and without gradient checkpointing and accumulation. First the trainer alone, on rows of one
 * length; then `tunesmith plan` against `tunesmith train`, on rows of one length and of several, with held-out rows and
 * samples, also on very small models and with full fine-tuning; then the same over bases in 16 bits and in codes, and with
 * the optimizer's state in 8 bits.
 *
 *     npm run bench:estimate                     # all three
 *     npm run bench:estimate -- command wide-80m # one of them, these shapes
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
/** How long the rows are. */
const [one, several] = ['250 tokens', '12–250 tokens'] as const;
const trainerShapes = ['stories-15m', 'stories-42m', 'wide-80m'] as const;
/** How a base may be kept, as `model` of a recipe says it. */
const bases = {
  float16: { dtype: 'float16' },
  bfloat16: { dtype: 'bfloat16' },
  int8: { quantization: { type: 'int8' } },
  nf4: { quantization: { type: 'nf4' } },
  q8_0: { quantization: { type: 'q8_0' } },
} as const;
const commandShapes = ['stories-800k', 'bundled', ...trainerShapes] as const;
const isShape = (shape: string): boolean =>
  given.includes(shape) || !commandShapes.some((known) => given.includes(known));
const isAsked = (part: string): boolean =>
  given.includes(part) || !['trainer', 'command', 'bases'].some((name) => given.includes(name));

let worst = 1;
if (isAsked('trainer')) await measureTrainer();
if (isAsked('command')) await measureCommand();
if (isAsked('bases')) await measureBases();
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

/** What a run from the command line is given beside its method. */
interface Command {
  readonly rows: string;
  readonly model?: object;
  readonly trainer?: object;
}

type Measure = (method: string, command: Command) => Promise<Peaks>;

async function measureCommand(): Promise<void> {
  printHeader('shape', 'method', 'rows', 'checkpointing', 'accumulation');
  await eachShape(commandShapes.filter(isShape), async (shape, rows, measure) => {
    for (const lengths of [one, several] as const) {
      for (const gradientCheckpointing of [false, true]) {
        for (const gradientAccumulation of [1, 2]) {
          const trainer = { gradientAccumulation, gradientCheckpointing };
          const peaks = await measure('lora', { rows: rows[lengths], trainer });
          printCase(peaks, shape, 'lora', lengths, onOff(gradientCheckpointing), gradientAccumulation);
        }
      }
    }
    printCase(await measure('full', { rows: rows[several] }), shape, 'full', several, 'off', 1);
  });
}

async function measureBases(): Promise<void> {
  printHeader('shape', 'method', 'base');
  await eachShape(
    ['stories-42m', 'wide-80m'].filter(isShape) as (typeof commandShapes)[number][],
    async (shape, rows, measure) => {
      for (const [base, model] of Object.entries(bases)) {
        printCase(await measure('lora', { rows: rows[one], model }), shape, 'lora', base);
      }
      const trainer = { optimizer: { stateBits: 8 } };
      printCase(await measure('full', { rows: rows[one], trainer }), shape, 'full, state in 8 bits', 'float32');
    },
  );
}

/** Writes the rows and, one after another, models of the shapes, and lets each be measured. */
async function eachShape(
  chosen: readonly (typeof commandShapes)[number][],
  measureShape: (shape: string, rows: Record<typeof one | typeof several, string>, measure: Measure) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'bench-estimate-'));
  const folders = { work: join(root, 'work'), cache: join(root, 'cache') };
  await mkdir(folders.cache);
  const files = { [one]: join(root, 'one.jsonl'), [several]: join(root, 'several.jsonl') };
  await writeRows(files[one], 64, 250, 250);
  await writeRows(files[several], 64, 12, 250);
  try {
    for (const shape of chosen) {
      const path = join(root, shape);
      await writeRandomModel(path, shape);
      await measureShape(shape, files, (method, { rows, model, trainer }) =>
        runCommandCase(
          {
            model: { path, ...model },
            data: { train: rows, validation: 0.125, maxLength: 256 },
            method,
            ...(method === 'lora' ? { lora: { targetModules: 'all-linear' } } : {}),
            trainer: { steps: 12, batchSize: 2, evaluateEvery: 6, samplePrompts: ['12345'], ...trainer },
          },
          folders,
        ),
      );
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
