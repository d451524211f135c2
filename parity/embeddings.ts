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
import { families } from '@tunesmith/models';
import { embedTexts, loadModel } from '@tunesmith/runtime';

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
const objective = { name: 'contrastive' };
const loaded = await loadModel({ path: model, families, backend: createOnnxBackend({ device: 'cpu' }), objective });
const embeddings: number[][] = [];
// Rows of four, of different lengths, so that what fills a batch up would show.
for await (const vector of embedTexts(loaded, { objective, texts: sentences, batchSize: 4 }))
  embeddings.push([...vector]);
loaded.dispose();

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
