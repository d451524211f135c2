/**
 * `npm run bench:quantised [shape] [--quick]`: full fine-tuning, LoRA, QLoRA (NF4, double quantisation) and LoRA over LLM.int8 on
 * random weights of SmolLM2-135M's shape, or of another such as `tinyllama-1.1b`, 1×512, fp32, two threads, without and
 * with gradient checkpointing. Each case runs in a process of its own, whose peak memory and time a step are set against
 * LoRA's over float32 weights. What would take most of the machine's memory is not run: its row says what the estimate is. Random
 * weights give no outliers, so that int8's columns in float32 are looked for and not found.
 */
import { readFileSync } from 'node:fs';
import { arch, cpus, totalmem } from 'node:os';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { adamw, chain, clipByGlobalNorm, elementCount, encodedBytes, estimateTraining, sft } from '@tunesmith/core';
import { runCase, type StepResult } from './run-case.js';
import { buildShape, defaults, type StepOptions, shapes } from './step-options.js';

const [given = defaults.shape] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
if (!(given in shapes)) throw new Error(`no shape "${given}": ${Object.keys(shapes).join(', ')}`);
const shape = given as StepOptions['shape'];
const steps = process.argv.includes('--quick') ? 1 : 3;

type Form = Pick<StepOptions, 'method' | 'base'> & { readonly name: string };
const loraForm: Form = { name: 'LoRA, float32', method: 'lora-all', base: 'float32' };
const forms: readonly Form[] = [
  { name: 'full, float32', method: 'full', base: 'float32' },
  loraForm,
  { name: 'QLoRA, NF4 double', method: 'lora-all', base: 'nf4-double' },
  { name: 'LoRA, Q8_0', method: 'lora-all', base: 'q8_0' },
  { name: 'LoRA, int8', method: 'lora-all', base: 'int8' },
  { name: 'LoRA, int8, gradient in float32', method: 'lora-all', base: 'int8-float-gradient' },
];

/** Bits a value of what a codec keeps, as its parts are stored. */
function bitsOf(form: Form): number {
  const model = buildShape({ ...form, shape });
  let [values, bytes] = [0, 0];
  for (const handle of model.handles) {
    const encoding = model.encodingOf(handle);
    if (encoding === undefined) continue;
    values += elementCount(handle.shape);
    bytes += encodedBytes(encoding);
  }
  return (8 * bytes) / values;
}

/** What of the processor decides how fast bytes are multiplied. */
function processor(): string {
  const model = `${cpus()[0]?.model.trim()} (${arch()})`;
  try {
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(' ') ?? [];
    const telling = ['avx2', 'avx512f', 'avx_vnni', 'avx512_vnni', 'amx_int8'].map(
      (flag) => `${flags.includes(flag) ? '' : 'no '}${flag}`,
    );
    return `${model}: ${telling.join(', ')}`;
  } catch {
    return `${model}; its instructions are not known here`;
  }
}

async function estimatedBytes(form: Form, checkpointing: boolean): Promise<number> {
  const { peakBytes } = await estimateTraining({
    model: buildShape({ ...form, shape }),
    backend: createOnnxBackend({ device: 'cpu' }),
    objective: sft,
    optimizer: chain(clipByGlobalNorm(1), adamw()),
    batchSize: defaults.rows,
    length: defaults.length,
    gradientCheckpointing: checkpointing,
  });
  return peakBytes;
}

process.stdout.write(`${shape}, 1×512, on ${processor()}\n`);
for (const form of forms.filter(({ base }) => base !== 'float32')) {
  process.stdout.write(`${form.name}: ${bitsOf(form).toFixed(4)} bits a value of quantised layers\n`);
}
process.stdout.write('\n');
const header = ['method', 'checkpointing', 'peak GB', 'of LoRA', 's/step', 'of LoRA'];
process.stdout.write(`| ${header.join(' | ')} |\n|${' --- |'.repeat(header.length)}\n`);
for (const checkpointing of [false, true]) {
  const measure = ({ method, base }: Form): Promise<StepResult> =>
    runCase({ shape, method, base, checkpointing, steps });
  const lora = await measure(loraForm);
  for (const form of forms) {
    const estimate = await estimatedBytes(form, checkpointing);
    // ONNX Runtime hands every update back as a copy, which the estimate does not know of.
    if (estimate > 0.6 * totalmem()) {
      const needs = `${(estimate / 1e9).toFixed(1)} by the estimate: not run`;
      process.stdout.write(`| ${[form.name, checkpointing ? 'on' : 'off', needs, '', '', ''].join(' | ')} |\n`);
      continue;
    }
    const result = form === loraForm ? lora : await measure(form);
    const cells = [
      form.name,
      checkpointing ? 'on' : 'off',
      (result.peakBytes / 1e9).toFixed(2),
      (result.peakBytes / lora.peakBytes).toFixed(2),
      result.secondsPerStep.toFixed(2),
      (result.secondsPerStep / lora.secondsPerStep).toFixed(2),
    ];
    process.stdout.write(`| ${cells.join(' | ')} |\n`);
  }
}
