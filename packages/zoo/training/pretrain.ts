/** Pre-trains the base model: `pretrain.ts RUN-FOLDER [--threads N] [--until STEP]`; goes on from the newest checkpoint. */
import { access, appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { latestCheckpoint, pruneCheckpoints, readCheckpoint, writeCheckpoint } from '@tunesmith/checkpoints';
import {
  adamw,
  type CheckpointStore,
  chain,
  clipByGlobalNorm,
  createTrainer,
  initialiseHandles,
  sft,
  type Trainer,
  type TrainerEvent,
} from '@tunesmith/core';
import { loadTokenizer, type Tokenizer } from '@tunesmith/data';
import { buildBaseModel } from './base-model.js';
import { type Corpus, loadCorpus } from './corpus.js';
import { initialiseWeights } from './initialise-weights.js';
import { recipe, schedule } from './recipe.js';
import { documentTokens, textRow, trainingRows } from './rows.js';
import { writeTokenizer } from './tokenizer.js';

const checkpointEvery = 100;
const evaluateEvery = 200;
const evaluationRows = 32;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: 'string', default: '1' }, until: { type: 'string' } },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('Usage: pretrain.ts RUN-FOLDER [--threads N] [--until STEP]');

const corpus = await loadCorpus(join(folder, 'corpus'));
const tokenizer = await openTokenizer(join(folder, 'tokenizer'), corpus);
const trainer = await createPretraining(corpus, tokenizer);
const checkpoints = join(folder, 'checkpoints');
await mkdir(checkpoints, { recursive: true });
const newest = await latestCheckpoint(checkpoints);
const start = newest === undefined ? 0 : await restore(trainer, newest);
const curve = join(folder, 'curve.jsonl');
await cutCurve(curve, start);

const stop = new AbortController();
const until = values.until === undefined ? recipe.steps : Number(values.until);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
for await (const event of trainer.run({ signal: stop.signal })) {
  await record(event);
  if (event.type === 'step' && event.step >= until) stop.abort();
}
await trainer.dispose();

async function openTokenizer(path: string, { training }: Corpus): Promise<Tokenizer> {
  const exists = await access(join(path, 'generation_config.json')).then(
    () => true,
    () => false,
  );
  if (!exists) await writeTokenizer(training, path);
  return loadTokenizer(path);
}

async function createPretraining({ training, heldOut }: Corpus, tokenizer: Tokenizer): Promise<Trainer> {
  const base = buildBaseModel(Number(values.threads));
  await initialiseWeights(base.model, base.parameters, recipe.seed);
  await initialiseHandles(base.parameters, base.model.handles, recipe.seed);
  const windows = heldOut.map((document) =>
    textRow(Int32Array.from(documentTokens(tokenizer, document).slice(0, recipe.rowLength))),
  );
  return createTrainer({
    ...base,
    objective: sft,
    optimizer: chain(clipByGlobalNorm(recipe.clip), adamw({ beta2: recipe.beta2 })),
    schedule,
    learningRate: recipe.learningRate,
    weightDecay: recipe.weightDecay,
    rows: trainingRows(tokenizer, training),
    batchSize: recipe.rowsPerStep,
    steps: recipe.steps,
    maxLength: recipe.rowLength,
    padToken: tokenizer.padId,
    seed: recipe.seed,
    evaluation: { rows: () => windows.slice(0, evaluationRows), every: evaluateEvery },
    checkpoints: { store: checkpointStore(), every: checkpointEvery },
  });
}

function checkpointStore(): CheckpointStore {
  return {
    async save({ step, tensors, state }) {
      const named = tensors.map(({ name, shape, data }) => [name, { shape, values: data }] as const);
      await writeCheckpoint(checkpoints, { step, tensors: Object.fromEntries(named), state });
      await pruneCheckpoints(checkpoints, { keepLast: 2 });
    },
  };
}

async function restore(trainer: Trainer, path: string): Promise<number> {
  const { step, tensors, state } = await readCheckpoint(path);
  await trainer.restore({
    step,
    tensors: Object.entries(tensors).map(([name, { shape, values: data }]) => ({ name, shape, data })),
    state: state as never,
  });
  return step;
}

/** Drops what was recorded after the checkpoint that the run goes on from. */
async function cutCurve(path: string, step: number): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line !== '' && (JSON.parse(line) as { step: number }).step <= step);
  await writeFile(path, lines.map((line) => `${line}\n`).join(''));
}

async function record(event: TrainerEvent): Promise<void> {
  if (event.type === 'step') {
    const { step, loss, learningRate, gradientNorm, totalTokens, tokensPerSecond } = event;
    const rounded = [loss, learningRate, gradientNorm, tokensPerSecond].map((value) => Number(value.toPrecision(5)));
    const [l, rate, norm, speed] = rounded;
    const line = { step, loss: l, learningRate: rate, gradientNorm: norm, totalTokens, tokensPerSecond: speed };
    await appendFile(curve, `${JSON.stringify(line)}\n`);
  }
  if (event.type === 'evaluate') {
    await appendFile(
      curve,
      `${JSON.stringify({ step: event.step, heldOutLoss: Number(event.loss.toPrecision(5)) })}\n`,
    );
  }
}
