import type { Format } from './formats.js';
import { indexOfLabel, type LabelScheme } from './label-scheme.js';
import type { RowReader } from './row-reader.js';

/** What data sets call the words of a sentence, and their tags: CoNLL-2003 and WikiANN; Universal Dependencies. */
const wordNames = ['tokens', 'words'];
const tagNames = ['tags', 'ner_tags', 'pos_tags', 'chunk_tags', 'upos', 'labels'];

/** A sentence's words, and a tag for each, by its name or its index. */
export const taggedFormat: Format = {
  name: 'tagged',
  required: ['tokens', 'tags'],
  optional: [],
  rows: 'tags',
  alternatives: tagNames.flatMap((tags) => wordNames.map((tokens) => ({ tokens, tags }))),
  parse(row, labels) {
    const [words, given] = [row.list('tokens').map((word, index) => wordOf(row, word, index)), row.list('tags')];
    if (given.length !== words.length) {
      throw row.wrong('tags', `a tag for each of ${words.length} words`, `${given.length} tags`);
    }
    const tags = given.map((tag, index) => (labels === undefined ? 0 : tagOf(row, tag, index, labels)));
    return { kind: 'tagged', words, tags: Float32Array.from(tags) };
  },
};

function wordOf(row: RowReader, word: unknown, index: number): string {
  if (typeof word === 'string') return word;
  throw row.wrong('tokens', 'a word', word, `[${index}]`);
}

function tagOf(row: RowReader, tag: unknown, index: number, { names }: LabelScheme): number {
  return indexOfLabel(row, 'tags', tag, names, `[${index}]`);
}
