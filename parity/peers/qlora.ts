/**
 * Trains LoRA on all linear layers over float32 weights and over NF4 ones (double quantisation, as QLoRA), on the same rows, and prints a
 * JSON line for each: what held-out answers cost before and after, in nats a token. The rows are left in OUT, where `qlora_peft.py` finds them and
 * does the same in PEFT and bitsandbytes.
 *
 *     npx tsx parity/peers/qlora.ts MODEL-FOLDER TRAIN.jsonl HELD-OUT.jsonl OUT [--steps 24] >> parity/peers/qlora.jsonl
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  adamw,
  chain,
  clipByGlobalNorm,
  createExecutableCache,
  createTrainer,
  evaluate,
  linearSchedule,
  quantizationSchema,
  type Row,
  sft,
} from '@tunesmith/core';
import { loadChatTemplate, loadTokenizer, readExamples, tokenizeExample } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { type LoadedModel, loadModel } from '@tunesmith/runtime';

const { values, positionals } = parseArgs({
  options: {
    steps: { type: 'string', default: '24' },
    rank: { type: 'string', default: '8' },
    rate: { type: 'string', default: '5e-4' },
    block: { type: 'string', default: '64' },
    loftq: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const [path, training, held, output] = positionals;
if (path === undefined || training === undefined || held === undefined || output === undefined) {
  throw new Error(
    'give the folder of the model, the files of training and held-out rows, and a folder for what is left for PEFT',
  );
}
const [steps, rank, learningRate, blockSize] = [values.steps, values.rank, values.rate, values.block].map(Number) as [
  number,
  number,
  number,
  number,
];
const [batchSize, maxLength] = [2, 256];
const tokenizer = await loadTokenizer(path);
const template = loadChatTemplate(tokenizer);
const [trainingRows, heldRows] = [await rowsOf(training), await rowsOf(held)];
mkdirSync(output, { recursive: true });
writeFileSync(
  join(output, 'rows.json'),
  JSON.stringify({ steps, rank, learningRate, blockSize, training: idsOf(trainingRows), held: idsOf(heldRows) }),
);
for (const base of ['float32', 'nf4'] as const) {
  process.stdout.write(`${JSON.stringify({ by: 'tunesmith', base, ...values, ...(await train(base)) })}\n`);
}

async function train(base: 'float32' | 'nf4'): Promise<{ before: number; after: number }> {
  const quantized = base === 'nf4';
  const method = lora({
    ...{ rank, alpha: 2 * rank, targetModules: 'all-linear' },
    ...(quantized && values.loftq && { initLoraWeights: 'loftq' }),
  });
  const loaded = await loadModel({
    ...{ path: path as string, families, methods: [method], backend: createOnnxBackend(), dtype: 'float32', seed: 1 },
    quantization: quantized ? quantizationSchema.parse({ type: base, blockSize, doubleQuantization: true }) : undefined,
  });
  const before = await lossOf(loaded);
  const trainer = await createTrainer({
    ...{ ...loaded, objective: sft, learningRate, weightDecay: 0, batchSize, steps, maxLength, seed: 1 },
    optimizer: chain(clipByGlobalNorm(1), adamw()),
    schedule: linearSchedule(),
    padToken: tokenizer.padId,
    rows: {
      async *read() {
        for (let position = 0; ; position++) {
          yield { row: trainingRows[position % trainingRows.length] as Row, position };
        }
      },
    },
  });
  for await (const _ of trainer.run());
  await trainer.dispose();
  const after = await lossOf(loaded);
  loaded.dispose();
  return { before, after };
}

async function lossOf({ model, parameters, backend }: LoadedModel): Promise<number> {
  const executables = createExecutableCache(backend, parameters.tensors);
  const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
  const { loss } = await evaluate(heldRows, { model, parameters, objective: sft, executables, collate });
  await executables.dispose();
  return loss;
}

async function rowsOf(file: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const { example } of readExamples([file])) {
    rows.push(...tokenizeExample(example, { tokenizer, template, maxLength, promptLossWeight: 0 }).rows);
  }
  return rows;
}

/** Rows as PEFT's model takes them: labels are −100 where nothing is learnt. */
function idsOf(rows: readonly Row[]): object[] {
  return rows.map(({ tokens, weights }) => ({
    ids: [...tokens],
    labels: [...tokens].map((token, index) => ((weights[index] as number) > 0 ? token : -100)),
  }));
}
