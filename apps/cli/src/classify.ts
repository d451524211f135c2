import { TunesmithError } from '@tunesmith/core';
import { readRows } from '@tunesmith/data';
import { type Classification, classifyTexts } from '@tunesmith/runtime';
import type { ClassifyFlags } from './commands/classify.js';
import { openFromFlags } from './open-from-flags.js';
import type { Terminal } from './terminal.js';

type Texts = readonly string[];

/** Prints what a classifier says of texts: those of the flags, then those of a file. */
export async function classify(flags: ClassifyFlags, terminal: Terminal): Promise<void> {
  const { text = [], pair, texts: file, batchSize } = flags;
  if (text.length === 0 && file === undefined) {
    throw new TunesmithError('CONFIG_INVALID', 'there is nothing to classify', { expected: '--text or --texts' });
  }
  const texts = text.map((one): Texts => (pair === undefined ? [one] : [one, pair]));
  if (file !== undefined) texts.push(...(await readTexts(file)));
  const model = await openFromFlags(flags, terminal);
  try {
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

async function readTexts(file: string): Promise<Texts[]> {
  const texts: Texts[] = [];
  for await (const { value, row } of readRows(file)) {
    const { text, text1, text2 } = value;
    const given = text === undefined ? [text1, text2] : [text];
    if (!given.every((one) => typeof one === 'string')) {
      throw new TunesmithError('DATA_INVALID', 'the row has no text', {
        where: `${file}:${row}`,
        expected: 'text, or text1 and text2',
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
