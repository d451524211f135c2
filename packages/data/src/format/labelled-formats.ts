import type { Format } from './formats.js';
import { labelNumbers } from './label-scheme.js';
import type { ColumnMap, RowReader } from './row-reader.js';

/** What data sets call a text that is classified, the usual name first. */
const textNames = ['text', 'sentence', 'content', 'review', 'question'];
/** The same of pairs: MRPC, STS-B, RTE; QQP; MNLI, SNLI; QNLI; BoolQ. */
const pairNames = [
  ['text1', 'text2'],
  ['sentence1', 'sentence2'],
  ['question1', 'question2'],
  ['premise', 'hypothesis'],
  ['question', 'sentence'],
  ['question', 'passage'],
] as const;
const labelNames = ['label', 'labels', 'score'];

/** Rows that are to be given a label, for classification; a pair is looked for before a text alone. */
export const labelledFormats: readonly Format[] = [
  {
    name: 'labelled-pair',
    required: ['text1', 'text2', 'label'],
    optional: [],
    rows: 'labels',
    alternatives: labelNames.flatMap((label) =>
      pairNames.map(([text1, text2]): ColumnMap => ({ text1, text2, label })),
    ),
    parse: (row, labels) => labelled(row, ['text1', 'text2'], labels),
  },
  {
    name: 'labelled',
    required: ['text', 'label'],
    optional: [],
    rows: 'labels',
    alternatives: labelNames.flatMap((label) => textNames.map((text): ColumnMap => ({ text, label }))),
    parse: (row, labels) => labelled(row, ['text'], labels),
  },
];

function labelled(
  row: RowReader,
  columns: readonly string[],
  labels: Parameters<Format['parse']>[1],
): ReturnType<Format['parse']> {
  const texts = columns.map((column) => row.text(column));
  return {
    kind: 'labelled',
    texts,
    labels: labels === undefined ? new Float32Array() : labelNumbers(row, 'label', labels),
  };
}
