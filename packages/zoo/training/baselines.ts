/**
 * What the model has to beat on the held-out documents, in bits a byte: `baselines.ts RUN-FOLDER`. xz -9 on the documents
 * joined, alone and as what they add to the training text; a 5-gram on the same tokens.
 */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadTokenizer } from '@tunesmith/data';
import { type Document, loadCorpus } from './corpus.js';
import { trainKneserNey } from './kneser-ney.js';
import { documentTokens } from './rows.js';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('Usage: baselines.ts RUN-FOLDER');
const { training, heldOut } = await loadCorpus(join(folder, 'corpus'));
const tokenizer = await loadTokenizer(join(folder, 'tokenizer'));

const joined = (documents: readonly Document[]): string => documents.map(({ text }) => text).join('\n\n');
const bytes = heldOut.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
const alone = await compressedBytes(joined(heldOut));
const added = (await compressedBytes(joined([...training, ...heldOut]))) - (await compressedBytes(joined(training)));

const tokens = (documents: readonly Document[]): number[][] => documents.map((each) => documentTokens(tokenizer, each));
const model = trainKneserNey(tokens(training), 5, tokenizer.vocabSize);
const gramBits = tokens(heldOut).reduce((sum, document) => sum + model.bits(document), 0);

const rounded = (value: number): number => Number(value.toFixed(4));
const result = {
  heldOutBytes: bytes,
  bitsPerByte: {
    xz9: rounded((alone * 8) / bytes),
    xz9AfterTrainingText: rounded((added * 8) / bytes),
    kneserNey5Gram: rounded(gramBits / bytes),
  },
};
await writeFile(join(folder, 'baselines.json'), `${JSON.stringify(result, null, 2)}\n`);

function compressedBytes(text: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const xz = spawn('xz', ['-9', '--stdout', '--threads=1'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let size = 0;
    xz.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
    });
    xz.on('error', reject);
    xz.on('close', (code) => (code === 0 ? resolve(size) : reject(new Error(`xz ended with ${code}`))));
    xz.stdin.end(text);
  });
}
