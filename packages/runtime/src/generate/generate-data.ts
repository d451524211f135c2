import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { detectFileFormat, type ExampleOptions, loadChatTemplate, readExamples } from '@tunesmith/data';
import { z } from 'zod';
import type { OnPhase } from '../model/engine.js';
import { createTextGenerator, type GenerateTextOptions, type TextGenerator } from '../model/generate-text.js';
import type { LoadedModel } from '../model/load-model.js';
import { modelHashes } from '../model/model-hashes.js';
import type { Recipe } from '../recipe/recipe.js';
import { type Answerable, answerableOf } from './answerable.js';

export interface GenerateDataOptions {
  /** The files of prompts, and how rows are read. */
  readonly data: Recipe['data'];
  /** The file of answers, JSON lines; what is said of it stands beside it, in `<output>.source.json`. */
  readonly output: string;
  /** Folders of the adapters that the model has on. */
  readonly adapters: readonly string[];
  readonly cacheFolder: string;
  /** Answers to each prompt. */
  readonly samples: number;
  /** Prompts at once. */
  readonly batchSize: number;
  /** Keep only what equals the answer that the data has. */
  readonly correctOnly?: boolean;
  readonly generation: Omit<GenerateTextOptions, 'adapters'>;
  readonly onPhase?: OnPhase;
}

const dropped = z.object({ unfinished: z.int(), empty: z.int(), duplicate: z.int(), wrong: z.int() });
const sourceSchema = z.object({
  version: z.literal(1),
  /** Of all that the answers depend on: weights, adapters, prompts, options, backend. */
  hash: z.string(),
  /** Of the file of answers. */
  sha256: z.string(),
  model: z.string(),
  adapters: z.array(z.string()),
  prompts: z.int(),
  answers: z.int(),
  kept: z.int(),
  dropped,
  seconds: z.number(),
});

/** Where a file of answers came from, and what was left out of it: unfinished, empty, said twice of one prompt, or wrong. */
export type GeneratedData = z.infer<typeof sourceSchema>;

const answerSchema = z.object({ text: z.string(), ended: z.boolean() });
type Answer = z.infer<typeof answerSchema>;
const batchSchema = z.object({ seconds: z.number(), answers: z.array(answerSchema) });
type Batch = z.infer<typeof batchSchema>;

/**
 * Has a model answer the prompts of data and writes the answers as data that another is trained on: distillation by sequences (Kim and Rush
 * 2016, arXiv:1606.07947), where greedy decoding stands for the paper's beam. Stopped, it goes on after the last whole batch, to the same
 * bits; what is there already from the same model, prompts and options is not made again.
 * @throws FILE_INVALID where the output is a file that was not generated
 */
export async function generateData(loaded: LoadedModel, options: GenerateDataOptions): Promise<GeneratedData> {
  const { output, samples, batchSize, correctOnly = false, onPhase } = options;
  const asked = await readAnswerable(loaded, options);
  const hash = await hashOf(loaded, asked, options);
  const [partial, provenance] = [`${output}.partial`, provenanceOf(output)];
  const batches = await readPartial(partial, hash);
  if (batches === null) {
    const found = await readGenerated(output);
    if (found?.hash === hash) return found;
    await mkdir(dirname(output), { recursive: true });
    await writeFile(partial, `${JSON.stringify({ hash })}\n`);
  }
  const done: Batch[] = batches ?? [];
  const all = asked.flatMap((each) => Array.from({ length: samples }, () => each));
  const generator = createTextGenerator(loaded);
  try {
    for (let start = done.length * batchSize; start < all.length; start += batchSize) {
      const prompts = all.slice(start, start + batchSize).map(({ prompt }) => prompt);
      const batch = await answerBatch(generator, prompts, done.length, options.generation);
      await appendFile(partial, `${JSON.stringify(batch)}\n`);
      done.push(batch);
      onPhase?.(`answered ${start + prompts.length} of ${all.length} prompts`);
    }
  } finally {
    await generator.dispose();
  }
  const answers = done.flatMap((batch) => batch.answers);
  const { rows, dropped } = filterAnswers(all, answers, correctOnly);
  if (rows.length === 0) {
    await rm(partial);
    throw new TunesmithError('DATA_INVALID', 'no answer is left to train on', {
      where: output,
      got: `${answers.length} answers: ${Object.entries(dropped)
        .map(([why, count]) => `${count} ${why}`)
        .join(', ')}`,
      hint: 'Allow more tokens to an answer (--max-tokens), or tune the model that answers first.',
    });
  }
  const text = rows.map((row) => `${row}\n`).join('');
  const source: GeneratedData = {
    ...{ version: 1, hash, sha256: sha256(text), model: loaded.path, adapters: [...options.adapters] },
    ...{ prompts: asked.length, answers: answers.length, kept: rows.length, dropped },
    seconds: done.reduce((sum, { seconds }) => sum + seconds, 0),
  };
  await replace(output, text);
  await replace(provenance, `${JSON.stringify(source, null, 2)}\n`);
  // Last, so that what was stopped before here is known to be this generation's own.
  await rm(partial);
  return source;
}

/** What is learnt from: in one format, since that is told from a file's first rows. */
async function readAnswerable(
  { tokenizer }: LoadedModel,
  { data, correctOnly = false }: GenerateDataOptions,
): Promise<Answerable[]> {
  const { train, format, columns, header } = data;
  const files = [train].flat();
  const template = loadChatTemplate(tokenizer, data.template);
  const reading = { ...(format && { format }), ...(columns && { columns }), ...(header && { header }) };
  const asked: Answerable[] = [];
  for (const file of files) {
    const rows = await rowsOf(file, reading);
    for await (const { example } of readExamples([file], { ...reading, rows })) {
      asked.push(answerableOf(example, template));
    }
  }
  if (asked.length === 0) throw new TunesmithError('DATA_INVALID', 'there are no rows', { where: files.join(', ') });
  if (correctOnly && asked.some(({ expected }) => expected === undefined)) {
    throw new TunesmithError('DATA_INVALID', 'not every prompt says what its answer should be', {
      ...{ where: files.join(', '), expected: 'an answer beside each prompt, to keep only correct ones' },
    });
  }
  const formats = [...new Set(asked.map(({ format }) => format))];
  if (formats.length > 1) {
    throw new TunesmithError('DATA_INVALID', 'the prompts are of several formats, and the answers would be, too', {
      ...{ where: files.join(', '), expected: 'one format', got: formats.join(', ') },
      hint: 'Answer each format in a file of its own; training takes several files.',
    });
  }
  return asked;
}

/** Rows with answers, where they have them; else rows of prompts alone. */
async function rowsOf(file: string, reading: ExampleOptions): Promise<'answers' | 'prompts'> {
  try {
    await detectFileFormat(file, { ...reading, rows: 'answers' });
    return 'answers';
  } catch (error) {
    if (!TunesmithError.isInstance(error)) throw error;
    const isPrompts = await detectFileFormat(file, { ...reading, rows: 'prompts' }).then(
      () => true,
      () => false,
    );
    if (!isPrompts) throw error;
    return 'prompts';
  }
}

async function hashOf(
  { path, quantization, backend }: LoadedModel,
  asked: readonly Answerable[],
  { adapters, cacheFolder, samples, batchSize, correctOnly = false, generation }: GenerateDataOptions,
): Promise<string> {
  const weights: string[] = [];
  for (const folder of [path, ...adapters]) weights.push(...(await modelHashes(folder, cacheFolder)));
  const prompts = asked.map(({ prompt, expected = null, rowOf }) => [prompt, expected, rowOf('')]);
  const settings = { samples, batchSize, correctOnly, generation, quantization, backend: backend.name };
  return sha256(JSON.stringify({ version: 1, weights, prompts, settings }));
}

async function answerBatch(
  generator: TextGenerator,
  prompts: readonly string[],
  index: number,
  generation: GenerateDataOptions['generation'],
): Promise<Batch> {
  const begun = performance.now();
  const answers: Answer[] = prompts.map(() => ({ text: '', ended: false }));
  // A draw depends on the seed and the row within the batch: each batch has a seed of its own, whatever was done before it.
  const seed = ((generation.seed ?? 0) * 1_000_003 + index) % 2 ** 31;
  for await (const { prompt, text, end } of generator.generateBatch(prompts, { ...generation, seed })) {
    const answer = answers[prompt] as Answer;
    answer.text += text;
    if (end !== null) answer.ended = end !== 'length';
  }
  return { seconds: (performance.now() - begun) / 1000, answers };
}

function filterAnswers(
  asked: readonly Answerable[],
  answers: readonly Answer[],
  correctOnly: boolean,
): { rows: string[]; dropped: GeneratedData['dropped'] } {
  const rows = new Set<string>();
  const dropped = { unfinished: 0, empty: 0, duplicate: 0, wrong: 0 };
  for (const [index, { text, ended }] of answers.entries()) {
    const { expected, rowOf } = asked[index] as Answerable;
    const row = JSON.stringify(rowOf(text));
    if (!ended) dropped.unfinished++;
    else if (text.trim() === '') dropped.empty++;
    else if (correctOnly && text.trim() !== expected?.trim()) dropped.wrong++;
    else if (rows.has(row)) dropped.duplicate++;
    else rows.add(row);
  }
  return { rows: [...rows], dropped };
}

/** The whole batches of a generation that was stopped; null where there is none of this hash. */
async function readPartial(path: string, hash: string): Promise<Batch[] | null> {
  if (!existsSync(path)) return null;
  // What follows the last line break was being written.
  const [head, ...lines] = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
  if (head === undefined || (JSON.parse(head) as { hash?: string }).hash !== hash) return null;
  await replace(path, [head, ...lines, ''].join('\n'));
  return lines.map((line) => batchSchema.parse(JSON.parse(line)));
}

/** What is said of a file of answers that is there; null where there is none. @throws FILE_INVALID where it was not generated, or changed since */
export async function readGenerated(output: string): Promise<GeneratedData | null> {
  const provenance = provenanceOf(output);
  if (!existsSync(output)) return null;
  const found = existsSync(provenance)
    ? sourceSchema.safeParse(JSON.parse(await readFile(provenance, 'utf8'))).data
    : undefined;
  if (found !== undefined && found.sha256 === sha256(await readFile(output, 'utf8'))) return found;
  throw new TunesmithError('FILE_INVALID', 'there is a file that was not generated, or was changed since', {
    where: output,
    hint: 'Name another output, or remove the file.',
  });
}

function provenanceOf(output: string): string {
  return `${output}.source.json`;
}

async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.tmp`, text, { flush: true });
  await rename(`${path}.tmp`, path);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
