/**
 * Measures a model folder: `evaluate.ts RUN-FOLDER MODEL-FOLDER`. Bits a byte of each held-out document, and how many fresh
 * exercises of each synthetic skill it answers.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openModelFolder } from '@tunesmith/checkpoints';
import {
  buildModel,
  createExecutableCache,
  createParameterStore,
  evaluate,
  loadWeights,
  type Row,
  sft,
} from '@tunesmith/core';
import { loadTokenizer } from '@tunesmith/data';
import { llama } from '@tunesmith/models';
import { commonWords } from './common-words.js';
import { loadCorpus } from './corpus.js';
import { recipe } from './recipe.js';
import { documentTokens } from './rows.js';
import { answeredShare } from './skill-accuracy.js';

const [runFolder, modelFolder] = process.argv.slice(2);
if (runFolder === undefined || modelFolder === undefined) throw new Error('Usage: evaluate.ts RUN-FOLDER MODEL-FOLDER');
const corpus = await loadCorpus(join(runFolder, 'corpus'));
const tokenizer = await loadTokenizer(modelFolder);
const folder = await openModelFolder(modelFolder);
const backend = createOnnxBackend({ threads: 1 });
const model = buildModel({ family: llama, config: llama.parseConfig(folder.config) });
const parameters = createParameterStore(backend.createStore());
await loadWeights(model, folder.tensors, parameters);
await folder.close();
const executables = createExecutableCache(backend, parameters.tensors);

const documents: { name: string; bytes: number; bits: number }[] = [];
for (const { name, text } of corpus.heldOut) {
  const rows = windows(documentTokens(tokenizer, { name, text }));
  const collate = { rows: recipe.rowsPerStep, maxLength: recipe.rowLength, padToken: tokenizer.padId };
  const { loss } = await evaluate(rows, { model, parameters, objective: sft, executables, collate });
  const predicted = rows.reduce((sum, { weights }) => sum + weights.reduce((all, weight) => all + weight, 0), 0);
  documents.push({ name, bytes: Buffer.byteLength(text), bits: (loss * predicted) / Math.LN2 });
}
await executables.dispose();

const words = commonWords(
  corpus.training.map(({ text }) => text),
  recipe.words,
);
const skills = await answeredShare({ model, parameters, backend, tokenizer, words });

const total = (of: (document: (typeof documents)[number]) => number): number =>
  documents.reduce((sum, document) => sum + of(document), 0);
const rounded = (value: number): number => Number(value.toFixed(4));
const result = {
  heldOutBytes: total(({ bytes }) => bytes),
  bitsPerByte: rounded(total(({ bits }) => bits) / total(({ bytes }) => bytes)),
  documents: Object.fromEntries(documents.map(({ name, bytes, bits }) => [name, rounded(bits / bytes)])),
  skills,
};
await writeFile(join(runFolder, 'evaluation.json'), `${JSON.stringify(result, null, 2)}\n`);

/** Windows that overlap by three quarters: each token is predicted once, from 384 tokens or more where there are as many. */
function windows(tokens: readonly number[]): Row[] {
  const rows: Row[] = [];
  let predicted = 1;
  for (let start = 0; predicted < tokens.length; start += recipe.rowLength / 4) {
    const row = Int32Array.from(tokens.slice(start, start + recipe.rowLength));
    const weights = new Float32Array(row.length).fill(1, predicted - start);
    predicted = start + row.length;
    rows.push({ tokens: row, weights });
  }
  return rows;
}
