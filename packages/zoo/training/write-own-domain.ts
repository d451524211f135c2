/**
 * Writes text of the model's own domain that it was not trained on, for measuring what a fine-tuning forgets:
 * `write-own-domain.ts CACHE FILE`.
 */
import { writeFile } from 'node:fs/promises';
import { createRandom } from '@tunesmith/core';
import { loadCorpus } from './corpus.js';

/** Passages of about 200 tokens, from all of the held-out documents alike. */
const [passages, characters] = [48, 800];

const [cache, file] = process.argv.slice(2);
if (cache === undefined || file === undefined) throw new Error('Usage: write-own-domain.ts CACHE FILE');
const { heldOut } = await loadCorpus(cache);
const random = createRandom(0, 'own domain');
const rows = Array.from({ length: passages }, (_, index) => {
  const { text } = heldOut[index % heldOut.length] as (typeof heldOut)[number];
  const start = random.below(Math.max(1, text.length - characters));
  // From the first whole word on.
  const passage = text.slice(text.indexOf(' ', start) + 1, start + characters);
  return `${JSON.stringify({ text: passage })}\n`;
});
await writeFile(file, rows.join(''));
