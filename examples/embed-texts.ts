/** Vectors of texts: an embedder learns from pairs that are alike, and finds a text by another. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  adamw,
  chain,
  clipByGlobalNorm,
  contrastive,
  cosineSimilarity,
  createTrainer,
  linearSchedule,
} from '@tunesmith/core';
import { createDataset } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { embedTexts, loadModel } from '@tunesmith/runtime';
import { smallEncoder } from './small-encoder.js';
import { workFolder } from './small-model.js';

const folder = await workFolder();
const settings = { name: 'contrastive' };
const loaded = await loadModel({
  path: await smallEncoder(folder),
  ...{ families, backend: createOnnxBackend(), objective: settings },
  methods: [lora({ rank: 8, alpha: 16, targetModules: 'all-linear' })],
});
const { tokenizer } = loaded;

// What is said of a thing is alike, whatever it is and whoever says it.
const things = ['ship', 'whale', 'storm', 'letter', 'garden', 'clock', 'bridge', 'piano'];
const ways = [
  ['we saw a', 'there is the'],
  ['it was a', 'who knows this'],
  ['tell me of the', 'a fine'],
  ['they want a', 'that is our'],
];
const rows = things.flatMap((thing) =>
  ways.map(([one, other]) => JSON.stringify({ anchor: `${one} ${thing}`, positive: `${other} ${thing}` })),
);
const file = join(folder, 'pairs.jsonl');
await writeFile(file, rows.join('\n'));
const data = await createDataset({
  ...{ files: [file], rows: 'positives' },
  ...{ tokenizer, template: null, maxLength: 32, cacheFolder: join(folder, 'cache') },
});
const { train, validation } = data.split(0.25);

const trainer = await createTrainer({
  ...{ ...loaded, objective: contrastive(), rows: train, steps: 60, batchSize: 8 },
  ...{ maxLength: 32, padToken: tokenizer.padId, seed: 1 },
  optimizer: chain(clipByGlobalNorm(1), adamw()),
  ...{ schedule: linearSchedule(0.1), learningRate: 5e-3, weightDecay: 0 },
  evaluation: { rows: () => validation.rows(), every: 20 },
});
for await (const event of trainer.run()) {
  if (event.type !== 'evaluate') continue;
  console.log(`step ${event.step}  found at once ${event.metrics['accuracy@1']?.toFixed(3)}`);
}

const texts = ['the whale again', 'i hear a storm', 'no more of the piano'];
const asked = 'one whale';
const vectors: Float32Array[] = [];
for await (const vector of embedTexts(loaded, { objective: settings, texts: [asked, ...texts] })) vectors.push(vector);
const [own, ...others] = vectors as [Float32Array, ...Float32Array[]];
for (const [index, text] of texts.entries()) {
  console.log(`${cosineSimilarity(own, others[index] as Float32Array).toFixed(2)} ${text}`);
}
await trainer.dispose();
loaded.dispose();
