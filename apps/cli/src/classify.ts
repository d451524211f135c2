import { TunesmithError } from '@tunesmith/core';
import { readRows } from '@tunesmith/data';
import { type AdaptedModel, type Classification, classifyTexts, type TaggedText, tagTexts } from '@tunesmith/runtime';
import type { ClassifyFlags } from './commands/classify.js';
import { openFromFlags } from './open-from-flags.js';
import type { Terminal } from './terminal.js';

type Texts = readonly string[];

/** Prints what a classifier says of texts, or of their words: those of the flags, then those of a file. */
export async function classify(flags: ClassifyFlags, terminal: Terminal): Promise<void> {
  const { text = [], pair, texts: file, batchSize } = flags;
  if (text.length === 0 && file === undefined) {
    throw new TunesmithError('CONFIG_INVALID', 'there is nothing to classify', { expected: '--text or --texts' });
  }
  const texts = text.map((one): Texts => (pair === undefined ? [one] : [one, pair]));
  if (file !== undefined) texts.push(...(await readTexts(file)));
  const model = await openFromFlags(flags, terminal);
  try {
    if (model.model.head.task === 'token-classification') {
      if (pair !== undefined) {
        throw new TunesmithError('CONFIG_INVALID', 'words are tagged in one text', { where: '--pair', got: pair });
      }
      await tag(model, texts, batchSize, terminal);
      return;
    }
    const results: (Classification & { readonly text: string | Texts })[] = [];
    for await (const result of classifyTexts(model, { objective: model.objective, texts, batchSize })) {
      const given = texts[results.length] as Texts;
      results.push({ text: given.length === 1 ? (given[0] as string) : given, ...result });
      if (!terminal.json) terminal.print(lineOf(given, result, terminal));
    }
    if (terminal.json) terminal.printJson(results);
  } finally {
    model.dispose();
  }
}

/** Prints the spans that a tagger marks in texts, or each word with its tag where it marks none. */
async function tag(model: AdaptedModel, given: readonly Texts[], batchSize: number, terminal: Terminal): Promise<void> {
  // A text is parted into its words; several are words already.
  const texts = given.map((text) => (text.length === 1 ? (text[0] as string) : text));
  const results: (TaggedText & { readonly text: string | Texts })[] = [];
  for await (const result of tagTexts(model, { objective: model.objective, texts, batchSize })) {
    const text = texts[results.length] as string | Texts;
    results.push({ text, ...result });
    if (!terminal.json) terminal.print(taggedLine(text, result, terminal));
  }
  if (terminal.json) terminal.printJson(results);
}

function taggedLine(text: string | Texts, { words, spans }: TaggedText, terminal: Terminal): string {
  const found = spans.map(
    ({ type, text: marked, score }) => `${type} ${marked} ${terminal.style('dim', score.toFixed(3))}`,
  );
  const tagged = words.map(({ word, tag: name }) => `${word}${terminal.style('dim', `/${name ?? '…'}`)}`);
  const shown =
    words.some(({ tag: name }) => name !== null && name !== 'O') && spans.length === 0 ? [tagged.join(' ')] : found;
  return `${shown.join(', ') || terminal.style('dim', 'nothing')}  ${typeof text === 'string' ? text : text.join(' ')}`;
}

async function readTexts(file: string): Promise<Texts[]> {
  const texts: Texts[] = [];
  for await (const { value, row } of readRows(file)) {
    const { text, text1, text2, tokens } = value;
    const given = Array.isArray(tokens) ? tokens : text === undefined ? [text1, text2] : [text];
    if (!given.every((one) => typeof one === 'string')) {
      throw new TunesmithError('DATA_INVALID', 'the row has no text', {
        where: `${file}:${row}`,
        expected: 'text, text1 and text2, or tokens',
        got: Object.keys(value).join(', '),
      });
    }
    texts.push(given as Texts);
  }
  return texts;
}

function lineOf(texts: Texts, { labels, scores }: Classification, terminal: Terminal): string {
  const shown = labels.length > 0 ? labels : Object.keys(scores);
  const values = shown.map((label) => `${label} ${terminal.style('dim', (scores[label] as number).toFixed(3))}`);
  return `${values.join(', ')}  ${texts.join(' | ')}`;
}
