import { open, rename } from 'node:fs/promises';
import { cosineSimilarity, TunesmithError } from '@tunesmith/core';
import { readRows } from '@tunesmith/data';
import { type AdaptedModel, embedTexts, parseObjective } from '@tunesmith/runtime';
import type { EmbedFlags } from './commands/embed.js';
import { formatCount } from './format.js';
import { openFromFlags } from './open-from-flags.js';
import type { Terminal } from './terminal.js';

/** Texts of which each two are compared for people to read; of more, each one's nearest. */
const mostCompared = 6;

/** More than these, and comparing each with every other is no matter of printing. */
const mostNearest = 2000;

/** Makes vectors of texts, those of the flags and then those of a file: into a file, as JSON, or compared with one another. */
export async function embed(flags: EmbedFlags, terminal: Terminal): Promise<void> {
  const { text = [], texts: file, output, pooling, normalize } = flags;
  if (text.length === 0 && file === undefined) {
    throw new TunesmithError('CONFIG_INVALID', 'there is nothing to embed', { expected: '--text or --texts' });
  }
  const asked = { name: 'contrastive', ...(pooling && { pooling }), ...(normalize !== undefined && { normalize }) };
  const model = await openFromFlags({ ...flags, objective: parseObjective(asked, 'embed') }, terminal);
  try {
    if (output === undefined) await show(model, flags, terminal);
    else await write(output, model, flags, terminal);
  } finally {
    model.dispose();
  }
}

/** The texts of the flags, then those of the file. */
async function* textsOf({ text = [], texts: file }: EmbedFlags): AsyncGenerator<string, void, void> {
  yield* text;
  if (file === undefined) return;
  for await (const { value, row } of readRows(file)) {
    const { text: given } = value;
    if (typeof given === 'string' && given.trim() !== '') {
      yield given;
      continue;
    }
    throw new TunesmithError('DATA_INVALID', 'the row has no text', {
      where: `${file}:${row}`,
      expected: 'text',
      got: Object.keys(value).join(', '),
    });
  }
}

/** Each text with its vector, as soon as it is there. */
async function* embedded(model: AdaptedModel, flags: EmbedFlags) {
  const pending: string[] = [];
  async function* texts(): AsyncGenerator<string, void, void> {
    for await (const text of textsOf(flags)) {
      pending.push(text);
      yield text;
    }
  }
  const { batchSize, maxLength } = flags;
  const options = { objective: model.objective, texts: texts(), batchSize, ...(maxLength && { maxLength }) };
  for await (const vector of embedTexts(model, options)) yield { text: pending.shift() as string, vector };
}

/** Writes rows as they come, so that there may be any number of them, under another name until all are there. */
async function write(output: string, model: AdaptedModel, flags: EmbedFlags, terminal: Terminal): Promise<void> {
  const unfinished = `${output}.unfinished`;
  const file = await open(unfinished, 'w').catch((cause: unknown) => {
    throw new TunesmithError('FILE_INVALID', 'the file cannot be written', { where: unfinished, cause });
  });
  let [rows, width] = [0, 0];
  try {
    for await (const { text, vector } of embedded(model, flags)) {
      await file.write(`${JSON.stringify({ text, embedding: Array.from(vector) })}\n`);
      [rows, width] = [rows + 1, vector.length];
      if (rows % 100 === 0) terminal.status(`embedded ${formatCount(rows)} texts`);
    }
  } finally {
    await file.close();
  }
  await rename(unfinished, output);
  terminal.status('');
  if (terminal.json) terminal.printJson({ output, rows, width });
  else terminal.print(`${formatCount(rows)} vectors of ${formatCount(width)} numbers: ${output}`);
}

async function show(model: AdaptedModel, flags: EmbedFlags, terminal: Terminal): Promise<void> {
  const results: { text: string; vector: Float32Array }[] = [];
  for await (const result of embedded(model, flags)) results.push(result);
  if (terminal.json) {
    terminal.printJson(results.map(({ text, vector }) => ({ text, embedding: Array.from(vector) })));
    return;
  }
  const [first] = results;
  if (first === undefined) return;
  if (results.length === 1) {
    const shown = Array.from(first.vector.subarray(0, 8), (value) => value.toFixed(4)).join(' ');
    terminal.print(`${first.text}  ${terminal.style('dim', `${shown} … (${first.vector.length} numbers)`)}`);
    return;
  }
  if (results.length > mostNearest) {
    throw new TunesmithError('CONFIG_INVALID', `${formatCount(results.length)} texts are too many to compare`, {
      expected: '--output or --json',
    });
  }
  const cosine = (one: number, other: number): number =>
    cosineSimilarity((results[one] as typeof first).vector, (results[other] as typeof first).vector);
  for (const [index, { text }] of results.entries()) {
    if (results.length <= mostCompared) {
      const row = results.map((_, other) => cosine(index, other).toFixed(3).padStart(6));
      terminal.print(`${row.join(' ')}  ${text}`);
      continue;
    }
    const others = [...results.keys()].filter((other) => other !== index);
    const nearest = others.reduce((best, other) => (cosine(index, other) > cosine(index, best) ? other : best));
    const score = terminal.style('dim', cosine(index, nearest).toFixed(3));
    terminal.print(`${text}  ${score} ${(results[nearest] as typeof first).text}`);
  }
}
