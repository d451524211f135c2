/** Answers that stand in a passage: questions in SQuAD's rows, LoRA beside a new head, F1, and an answer to a new question. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { adamw, chain, clipByGlobalNorm, createTrainer, linearSchedule, questionAnswering } from '@tunesmith/core';
import { createDataset } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { answerQuestions, loadModel } from '@tunesmith/runtime';
import { smallEncoder } from './small-encoder.js';
import { workFolder } from './small-model.js';

const folder = await workFolder();
const settings = { name: 'question-answering' };
const objective = questionAnswering();
const loaded = await loadModel({
  path: await smallEncoder(folder),
  ...{ families, backend: createOnnxBackend(), objective: settings },
  methods: [lora({ rank: 8, alpha: 16, targetModules: 'all-linear' })],
});
const { tokenizer } = loaded;

// Who is somewhere, and where: the question says which of the two is asked for.
const people = ['ada', 'ben', 'eve', 'ian', 'joe', 'kim', 'max', 'una'];
const places = ['rome', 'oslo', 'lima', 'cairo', 'paris', 'delhi'];
const rows = people.flatMap((name) =>
  places.flatMap((place) => {
    const context = `${name} is in ${place}`;
    return [
      { question: 'who', context, answers: { text: [name], answer_start: [0] } },
      { question: 'where', context, answers: { text: [place], answer_start: [context.indexOf(place)] } },
    ];
  }),
);
const file = join(folder, 'questions.jsonl');
await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
const data = await createDataset({
  ...{ files: [file], rows: 'questions' },
  ...{ tokenizer, template: null, maxLength: 48, cacheFolder: join(folder, 'cache') },
});
const { train, validation } = data.split(0.25);

const trainer = await createTrainer({
  ...{ ...loaded, objective, rows: train, steps: 60, batchSize: 8 },
  ...{ maxLength: 48, padToken: tokenizer.padId, seed: 1 },
  optimizer: chain(clipByGlobalNorm(1), adamw()),
  ...{ schedule: linearSchedule(0.1), learningRate: 1e-2, weightDecay: 0 },
  evaluation: { rows: () => validation.rows(), every: 20 },
});
for await (const event of trainer.run()) {
  if (event.type !== 'evaluate') continue;
  const { exactMatch = 0, f1 = 0 } = event.metrics;
  console.log(`step ${event.step}  exact match ${exactMatch.toFixed(3)}  f1 ${f1.toFixed(3)}`);
}

const questions = ['Who', 'Where'].map((question) => ({ question, context: 'Eve is in Cairo' }));
for await (const { answer, score, start } of answerQuestions(loaded, { objective: settings, questions })) {
  console.log(`${answer} (${score.toFixed(2)}), character ${start} of the passage`);
}
await trainer.dispose();
loaded.dispose();
