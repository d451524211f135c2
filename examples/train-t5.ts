/** An encoder-decoder: the encoder reads the prompt, LoRA learns the answer, and what it then says is measured. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { adamw, chain, clipByGlobalNorm, cosineSchedule, createTrainer } from '@tunesmith/core';
import { createDataset } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { createObjective, evaluateAnswers, loadModel, parseData } from '@tunesmith/runtime';
import { workFolder } from './small-model.js';
import { smallT5 } from './small-t5.js';

const folder = await workFolder();
const settings = { name: 'seq2seq' } as const;
const loaded = await loadModel({
  path: await smallT5(folder),
  ...{ families, backend: createOnnxBackend(), objective: settings },
  methods: [lora({ rank: 16, alpha: 32, targetModules: 'all-linear' })],
});
const { tokenizer, model } = loaded;

const file = join(folder, 'opposites.jsonl');
const opposites = { hot: 'cold', up: 'down', big: 'small', day: 'night', old: 'new', wet: 'dry' };
const rows = Object.entries(opposites).map(([one, other]) => ({ prompt: `not ${one}`, completion: other }));
await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
const train = await createDataset({
  ...{ files: [file], tokenizer, template: null, maxLength: 32, cacheFolder: join(folder, 'cache') },
  // Every answer begins with T5's own token.
  ...(model.shape.answerStart !== undefined && { answerStart: model.shape.answerStart }),
});

const steps = 150;
const trainer = await createTrainer({
  ...{ ...loaded, objective: createObjective(settings, tokenizer), rows: train, steps, batchSize: 6 },
  ...{ maxLength: 32, padToken: tokenizer.padId, seed: 1 },
  optimizer: chain(clipByGlobalNorm(1), adamw()),
  ...{ schedule: cosineSchedule(0.1), learningRate: 1e-2, weightDecay: 0 },
});
for await (const event of trainer.run()) {
  if (event.type === 'step' && event.step % 30 === 0) console.log(`step ${event.step}  loss ${event.loss.toFixed(3)}`);
}
await trainer.dispose();

const data = parseData({ train: file }, file);
const { metrics, answers } = await evaluateAnswers(loaded, { data, batchSize: 6, maxNewTokens: 8 });
for (const { prompt, text } of answers) console.log(`${prompt}: ${text}`);
console.log(metrics);
loaded.dispose();
