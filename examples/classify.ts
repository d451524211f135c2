/** A classifier: labelled texts, a head beside LoRA, accuracy on held-out texts, and what it says of a new one. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { adamw, chain, clipByGlobalNorm, createTrainer, linearSchedule } from '@tunesmith/core';
import { createDataset, type LabelScheme } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { classifyTexts, createObjective, loadModel, saveAdapter } from '@tunesmith/runtime';
import { smallEncoder } from './small-encoder.js';
import { workFolder } from './small-model.js';

const folder = await workFolder();
const labels: LabelScheme = { problemType: 'single-label', names: ['question', 'statement'] };
const settings = { name: 'classification', labels: labels.names } as const;

const path = await smallEncoder(folder);
const method = lora({ rank: 8, alpha: 16, targetModules: 'all-linear' });
const loaded = await loadModel({
  path,
  families,
  methods: [method],
  backend: createOnnxBackend(),
  objective: settings,
});
const { tokenizer } = loaded;

const file = join(folder, 'sentences.tsv');
const things = ['the sea', 'a horse', 'the moon', 'this road', 'my house', 'the king', 'a fire', 'that ship'];
const qualities = ['old', 'cold', 'far away', 'white', 'in the north'];
const sentences = things.flatMap((thing) =>
  qualities.flatMap((quality) => [`is ${thing} ${quality}\tquestion`, `${thing} is ${quality}\tstatement`]),
);
await writeFile(file, ['text\tlabel', ...sentences].join('\n'));
const data = await createDataset({
  ...{ files: [file], labels, tokenizer, template: null, maxLength: 32 },
  cacheFolder: join(folder, 'cache'),
});
const { train, validation } = data.split(0.25);

const objective = createObjective(settings, tokenizer);
const steps = 40;
const trainer = await createTrainer({
  ...{ ...loaded, objective, rows: train, steps, batchSize: 8, maxLength: 32, padToken: tokenizer.padId, seed: 1 },
  optimizer: chain(clipByGlobalNorm(1), adamw()),
  ...{ schedule: linearSchedule(0.1), learningRate: 1e-2, weightDecay: 0 },
  evaluation: { rows: () => validation.rows(), every: 20 },
});
for await (const event of trainer.run()) {
  if (event.type !== 'evaluate') continue;
  const { accuracy = 0, f1 = 0 } = event.metrics;
  console.log(`step ${event.step}  accuracy ${accuracy.toFixed(3)}  f1 ${f1.toFixed(3)}`);
}
await saveAdapter(loaded, method, join(folder, 'adapter'), { base: path, step: steps, objective: settings });

const texts = ['is the night long', 'the night is long'];
for await (const { labels: given, scores } of classifyTexts(loaded, { objective: settings, texts })) {
  console.log(given[0], scores);
}
await trainer.dispose();
loaded.dispose();
