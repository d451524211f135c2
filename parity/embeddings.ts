/**
 * Embeds sentences as sentence-transformers does with all-MiniLM-L6-v2, mean pooling and norm 1, and lets it compare:
 * `npm run build && npx tsx parity/embeddings.ts MODEL-FOLDER PYTHON`, where PYTHON has sentence-transformers beside what
 * requirements.txt lists.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openModelFolder } from '@tunesmith/checkpoints';
import {
  buildModel,
  type CollateOptions,
  createExecutableCache,
  createParameterStore,
  type HostTensor,
  loadWeights,
  type Objective,
  predict,
  type Row,
  type Tensor,
  tf,
} from '@tunesmith/core';
import { encodeTexts, loadTokenizer } from '@tunesmith/data';
import { familyFor } from '@tunesmith/models';

const sentences = [
  'The cat sat on the mat.',
  'A man is playing a guitar on a stage in front of a large crowd.',
  'Someone plays an instrument.',
  'Is it raining?',
  'Naïve façades — 東京 and Zürich, £5 😀 in 2024!',
  'unaffable pneumonoultramicroscopicsilicovolcanoconiosis',
  'The same film that critics called dull was, to my surprise, the most moving thing I have seen in years. '.repeat(12),
  '',
];
const [model, python = 'python'] = process.argv.slice(2) as [string, string?];
const rowsAtOnce = 4;

/** Sentences' embeddings as predictions: Σ hᵢ / count over a row's tokens, divided by its norm. */
const embedding: Objective = {
  name: 'embedding',
  task: 'embedding',
  collate(rows: readonly Row[], { rows: count, maxLength, padToken }: CollateOptions) {
    const column = (fill: number, of: (row: Row) => Int32Array): HostTensor => {
      const data = new Int32Array(count * maxLength).fill(fill);
      for (const [index, row] of rows.entries()) data.set(of(row), index * maxLength);
      return { dtype: 'int32', shape: [count, maxLength], data };
    };
    const columns = {
      ids: column(padToken, ({ tokens }) => tokens),
      positions: column(0, ({ tokens }) => tokens.map((_, index) => index)),
      segments: column(0, ({ tokens }) => tokens.map(() => 1)),
    };
    const tokens = rows.reduce((sum, row) => sum + row.tokens.length, 0);
    return { columns, rows: rows.length, tokens, normalizers: { rows: rows.length } };
  },
  losses: () => [],
  predictions: {
    predict(built, columns, t) {
      const { ids, positions, segments } = columns as { ids: Tensor; positions: Tensor; segments: Tensor };
      const { hidden } = built.run(t, { ids, positions }); // [batch, seq, hidden]
      const seen = tf.expandDims(tf.cast(segments, 'float32'), -1);
      const mean = tf.div(tf.sum(tf.mul(hidden, seen), 1), tf.maximum(tf.sum(seen, 1), 1)); // [batch, hidden]
      return tf.div(mean, tf.sqrt(tf.sum(tf.square(mean), -1, true)));
    },
    measure: () => ({}),
  },
};

const folder = await openModelFolder(model);
const tokenizer = await loadTokenizer(folder.path);
const family = familyFor(folder.config);
const config = family.parseConfig(folder.config);
const built = buildModel({ family, config, task: 'embedding', checkpoint: folder.tensors });
const backend = createOnnxBackend();
const parameters = createParameterStore(backend.createStore());
await loadWeights(built, folder.tensors, parameters);
await folder.close();

const maxLength = 256; // max_seq_length of sentence_bert_config.json
const rows = sentences.map((text): Row => {
  const { tokens } = encodeTexts(tokenizer, [text], maxLength);
  return { tokens, weights: new Float32Array(tokens.length) };
});
const executables = createExecutableCache(backend, parameters.tensors);
const collate = { rows: rowsAtOnce, maxLength, padToken: tokenizer.padId };
const embeddings: number[][] = [];
for await (const values of predict(rows, { model: built, parameters, objective: embedding, executables, collate })) {
  embeddings.push([...values]);
}
await executables.dispose();
parameters.tensors.dispose();

const work = mkdtempSync(join(tmpdir(), 'tunesmith-embeddings-'));
try {
  const file = join(work, 'embeddings.json');
  writeFileSync(file, JSON.stringify({ sentences, embeddings }));
  const script = join(fileURLToPath(new URL('.', import.meta.url)), 'embeddings.py');
  process.stdout.write(
    execFileSync(python, [script, model, file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
  );
} finally {
  rmSync(work, { recursive: true });
}
