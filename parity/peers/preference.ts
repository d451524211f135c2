/**
 * Trains DPO with LoRA on q and v on those pairs of a file that fill 256 tokens on both sides, in order, two a step, and prints a
 * JSON line: losses, seconds a step, peak memory, and what held-out pairs say before and after. The rows and the first adapter are left in OUT, where
 * `preference_trl.py` finds them and does the same in TRL.
 *
 *     npx tsx parity/peers/preference.ts MODEL-FOLDER PAIRS.json OUT [--steps 12] >> parity/peers/preference.jsonl
 *
 * With `--mixed` rows are taken as they come, of several shapes, of which `--programs N` are kept compiled; such a run tells memory, not time.
 *
 * The reference is asked once, in a pass over the training rows that is timed: in an epoch, each step has as much of it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  adamw,
  chain,
  clipByGlobalNorm,
  computePriors,
  constantSchedule,
  createExecutableCache,
  createTrainer,
  evaluate,
  type Row,
} from '@tunesmith/core';
import { createDataset, loadChatTemplate } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { dpo } from '@tunesmith/rlhf-dpo';
import { loadModel, saveAdapter } from '@tunesmith/runtime';

const { values, positionals } = parseArgs({
  options: {
    steps: { type: 'string', default: '12' },
    held: { type: 'string', default: '12' },
    rate: { type: 'string', default: '5e-5' },
    mixed: { type: 'boolean', default: false },
    programs: { type: 'string', default: '8' },
  },
  allowPositionals: true,
});
const [path, file, output] = positionals;
if (path === undefined || file === undefined || output === undefined) {
  throw new Error('give the folders of the model and of what is left for TRL, and the file of pairs between them');
}
const [steps, held, learningRate] = [Number(values.steps), Number(values.held), Number(values.rate)];
const [batchSize, maxLength] = [2, 256];

const method = lora({ rank: 8, alpha: 16, targetModules: ['q_proj', 'v_proj'] });
const loaded = await loadModel({ path, families, methods: [method], backend: createOnnxBackend(), seed: 1 });
const { tokenizer, parameters, backend, model } = loaded;
const dataset = await createDataset({
  ...{ files: [file], rows: 'preferences', tokenizer, maxLength, shuffle: false, cacheFolder: join(output, 'cache') },
  template: loadChatTemplate(tokenizer),
});
const rows: Row[] = [];
for await (const row of dataset.rows()) {
  // Of one length, so that a step is of one shape: that of texts which are cut.
  if (!values.mixed && (row.tokens.length < maxLength || (row.rejected as Row).tokens.length < maxLength)) continue;
  rows.push(row);
  if (rows.length === batchSize * steps + held) break;
}
mkdirSync(output, { recursive: true });
writeFileSync(join(output, 'pairs.json'), JSON.stringify({ steps, learningRate, pairs: rows.map(idsOf) }));
await saveAdapter(loaded, method, join(output, 'adapter'), { base: path, step: 0 });

const objective = dpo({ reference: 'cached' });
const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
const mostExecutables = Number(values.programs);
const executables = createExecutableCache(backend, parameters.tensors, mostExecutables);
const parts = { model, parameters, objective, executables, collate };
const started = performance.now();
const known = await withPriors(rows.slice(0, batchSize * steps));
const referenceSeconds = (performance.now() - started) / 1000;
const atSteps: number[] = [];
const losses: number[] = [];
const trainer = await createTrainer({
  ...{ model, parameters, backend, objective, steps, learningRate, batchSize, maxLength, seed: 1, mostExecutables },
  optimizer: chain(clipByGlobalNorm(1), adamw()),
  schedule: constantSchedule(),
  weightDecay: 0,
  padToken: tokenizer.padId,
  rows: {
    length: known.length,
    async *read(position) {
      for (let index = Number(position ?? 0); ; index++) {
        yield { row: known[index % known.length] as Row, position: index + 1 };
      }
    },
  },
});
const heldOut = await withPriors(rows.slice(batchSize * steps));
const before = (await evaluate(heldOut, parts)).metrics;
await executables.dispose();
let last = performance.now();
for await (const event of trainer.run()) {
  if (event.type !== 'step') continue;
  atSteps.push((performance.now() - last) / 1000);
  losses.push(event.loss);
  last = performance.now();
}
const peakBytes = process.resourceUsage().maxRSS * 1024;
await trainer.dispose();
const asking = createExecutableCache(backend, parameters.tensors);
const after = (await evaluate(heldOut, { ...parts, executables: asking })).metrics;
await asking.dispose();
loaded.dispose();

// The first step of each shape compiles, and TRL's first steps are slower too: half the steps are left out on both sides.
const timed = median(atSteps.slice(steps / 2));
process.stdout.write(
  `${JSON.stringify({
    by: 'tunesmith',
    ...(values.mixed && { mixed: true, programs: mostExecutables }),
    ...{ steps, learningRate, secondsPerStep: timed + referenceSeconds / steps, secondsOfStep: timed },
    ...{ referenceSecondsPerStep: referenceSeconds / steps, peakBytes, losses, before, after },
  })}\n`,
);

async function withPriors(pairs: readonly Row[]): Promise<Row[]> {
  const priors: Float32Array[] = [];
  for await (const prior of computePriors(pairs, parts)) priors.push(prior);
  return pairs.map((row, index) => ({ ...row, prior: priors[index] as Float32Array }));
}

/** A pair as TRL's collator takes it. */
function idsOf({ tokens, weights, rejected }: Row): object {
  const start = weights.findIndex((weight) => weight > 0);
  const other = rejected as NonNullable<Row['rejected']>;
  return {
    prompt_ids: [...tokens.subarray(0, start)],
    chosen_ids: [...tokens.subarray(start)],
    rejected_ids: [...other.tokens.subarray(start)],
  };
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] as number;
}
