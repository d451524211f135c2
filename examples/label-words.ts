/** Labels of words: tagged sentences, a head at every token beside LoRA, spans measured, and found in a new text. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { adamw, chain, clipByGlobalNorm, createTrainer, linearSchedule } from '@tunesmith/core';
import { createDataset } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { createObjective, loadModel, tagTexts } from '@tunesmith/runtime';
import { smallEncoder } from './small-encoder.js';
import { workFolder } from './small-model.js';

const folder = await workFolder();
const settings = { name: 'token-classification', labels: ['O', 'B-PLACE', 'I-PLACE'] } as const;
const loaded = await loadModel({
  path: await smallEncoder(folder),
  ...{ families, backend: createOnnxBackend(), objective: settings },
  methods: [lora({ rank: 8, alpha: 16, targetModules: 'all-linear' })],
});
const { tokenizer } = loaded;

// A place comes after "to", and may be of two words.
const places = ['rome', 'new york', 'oslo', 'cape town', 'lima', 'hong kong', 'cairo', 'san jose'];
const rows = places.flatMap((place) =>
  ['we go', 'a ship sails', 'they ran', 'the road leads', 'she wrote'].map((start) => {
    const [before, words] = [[...start.split(' '), 'to'], place.split(' ')];
    const tags = words.map((_, index) => (index === 0 ? 'B-PLACE' : 'I-PLACE'));
    return JSON.stringify({ tokens: [...before, ...words], ner_tags: [...before.map(() => 'O'), ...tags] });
  }),
);
const file = join(folder, 'sentences.jsonl');
await writeFile(file, rows.join('\n'));
const data = await createDataset({
  ...{ files: [file], rows: 'tags', labels: { problemType: 'single-label', names: settings.labels } },
  ...{ tokenizer, template: null, maxLength: 32, cacheFolder: join(folder, 'cache') },
});
const { train, validation } = data.split(0.25);

const trainer = await createTrainer({
  ...{ ...loaded, objective: createObjective(settings, tokenizer), rows: train, steps: 80, batchSize: 8 },
  ...{ maxLength: 32, padToken: tokenizer.padId, seed: 1 },
  optimizer: chain(clipByGlobalNorm(1), adamw()),
  ...{ schedule: linearSchedule(0.1), learningRate: 1e-2, weightDecay: 0 },
  evaluation: { rows: () => validation.rows(), every: 20 },
});
for await (const event of trainer.run()) {
  if (event.type !== 'evaluate') continue;
  const { accuracy = 0, f1 = 0 } = event.metrics;
  console.log(`step ${event.step}  accuracy ${accuracy.toFixed(3)}  f1 of spans ${f1.toFixed(3)}`);
}

const texts = ['They ran to Cape Town', 'She wrote to Oslo'];
for await (const { words, spans } of tagTexts(loaded, { objective: settings, texts })) {
  console.log(words.map(({ word, tag }) => `${word}/${tag}`).join(' '));
  for (const { type, text, score } of spans) console.log(`  ${type}: ${text} (${score.toFixed(2)})`);
}
await trainer.dispose();
loaded.dispose();
