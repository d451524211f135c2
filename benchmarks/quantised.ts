/**
 * `npm run bench:quantised [shape] [--quick]`: full fine-tuning, LoRA and QLoRA (NF4, double quantisation) on random weights
 * of SmolLM2-135M's shape, or of another such as `tinyllama-1.1b`, 1×512, fp32, two threads, without and with gradient
 * checkpointing. Each case runs in a process of its own, whose peak memory and time a step are set against LoRA's over
 * float32 weights.
 */
import { elementCount, encodedBytes } from '@tunesmith/core';
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

const codes = bitsOf(forms.at(-1) as Form);
process.stdout.write(
  `${shape}, 1×512; quantised layers: ${codes.toFixed(4)} bits a value (4.127: ${(codes / 4.127).toFixed(4)})\n\n`,
);
const header = ['method', 'checkpointing', 'peak GB', 'of LoRA', 's/step', 'of LoRA'];
process.stdout.write(`| ${header.join(' | ')} |\n|${' --- |'.repeat(header.length)}\n`);
for (const checkpointing of [false, true]) {
  const measure = ({ method, base }: Form): Promise<StepResult> =>
    runCase({ shape, method, base, checkpointing, steps });
  const lora = await measure(loraForm);
  for (const form of forms) {
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
