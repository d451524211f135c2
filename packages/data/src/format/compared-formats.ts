import type { ComparedExample } from './example.js';
import type { Format } from './formats.js';
import type { ColumnMap, RowReader } from './row-reader.js';

/** What data sets call a text and one that it is alike, the usual names first. */
const positiveNames = [
  ['anchor', 'positive'],
  ['query', 'positive'],
  ['question', 'positive'],
  ['query', 'answer'],
  ['question', 'answer'],
] as const;
/** The same of two sentences, and of how alike they are: STS-B, and pairs as classification has them. */
const sentenceNames = [
  ['sentence1', 'sentence2'],
  ['text1', 'text2'],
] as const;
const scoreNames = ['score', 'similarity', 'label'];

const numbered = Array.from({ length: 20 }, (_, index) => `negative_${index + 1}`);

/** Rows of texts to be compared, in sentence-transformers' columns, for embedders. */
export const comparedFormats: readonly Format[] = [
  {
    name: 'anchor-positive',
    required: ['anchor', 'positive'],
    optional: ['negative', 'negatives', ...numbered],
    rows: 'positives',
    alternatives: positiveNames.map(([anchor, positive]): ColumnMap => ({ anchor, positive })),
    parse: (row) => ({ kind: 'compared', texts: [text(row, 'anchor'), text(row, 'positive'), ...negatives(row)] }),
  },
  {
    name: 'scored-pair',
    required: ['sentence1', 'sentence2', 'score'],
    optional: [],
    rows: 'similarities',
    alternatives: scoreNames.flatMap((score) =>
      sentenceNames.map(([sentence1, sentence2]): ColumnMap => ({ sentence1, sentence2, score })),
    ),
    parse(row): ComparedExample {
      return { kind: 'compared', texts: [text(row, 'sentence1'), text(row, 'sentence2')], score: score(row) };
    },
  },
];

/** Texts that the anchor is not alike: one column of one or a list of them, and numbered ones; those that are empty are none. */
function negatives(row: RowReader): string[] {
  return ['negative', 'negatives', ...numbered].flatMap((column) => {
    const given = row.value(column);
    if (given === undefined || given === null || given === '') return [];
    if (Array.isArray(given) || (column === 'negatives' && typeof given === 'string')) {
      return row.list(column).map((one, index) => {
        if (typeof one === 'string' && one.trim() !== '') return one;
        throw row.wrong(column, 'a text', one, `[${index}]`);
      });
    }
    return [text(row, column)];
  });
}

/** A text has a vector only if there is something of it. */
function text(row: RowReader, column: string): string {
  const given = row.text(column);
  if (given.trim() !== '') return given;
  throw row.wrong(column, 'a text that is not empty', given);
}

function score(row: RowReader): number {
  const given = row.value('score');
  const number = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw row.wrong('score', 'a number', given);
}
