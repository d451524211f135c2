import { type ProblemType, TunesmithError } from '@tunesmith/core';
import { type LabelScheme, listOf } from '../format/label-scheme.js';
import { readRow } from '../format/row-reader.js';
import { fileStart } from '../read/file-row.js';
import { readRows } from '../read/read-rows.js';
import { detectFileFormat, type ExampleOptions } from './read-examples.js';

/** More than these are no classes: texts stand where labels should, or numbers that a regression is for. */
const mostLabels = 1000;

/**
 * The labels, or tags of words, that data files hold, in the order of their names; of whole numbers from 0 on, all up to the greatest, as
 * `LABEL_0` and so on, which is what transformers calls labels without names. A regression has one target, `target`.
 */
export async function collectLabels(
  files: readonly string[],
  problemType: ProblemType,
  options: ExampleOptions = {},
): Promise<LabelScheme> {
  if (problemType === 'regression') return { problemType, names: ['target'] };
  const seen = new Set<string>();
  for (const file of files) {
    const { columns, rows } = await detectFileFormat(file, { ...options, labels: { problemType, names: [] } });
    const [column, several] = rows === 'tags' ? ['tags', true] : ['label', problemType === 'multi-label'];
    for await (const { value, row } of readRows(file, fileStart, options)) {
      const label = readRow(value, { file, row }, columns).value(column);
      for (const entry of several ? listOf(label) : [label]) {
        if (entry !== null && typeof entry !== 'object' && String(entry).trim() !== '') seen.add(String(entry).trim());
      }
      if (seen.size > mostLabels) throw tooMany(file);
    }
  }
  return { problemType, names: namesOf([...seen]) };
}

function namesOf(found: readonly string[]): string[] {
  const numbers = found.map(Number);
  if (numbers.every((number) => Number.isInteger(number) && number >= 0 && number < mostLabels)) {
    return Array.from({ length: Math.max(-1, ...numbers) + 1 }, (_, index) => `LABEL_${index}`);
  }
  return found.toSorted((a, b) => (a < b ? -1 : 1));
}

function tooMany(file: string): TunesmithError {
  return new TunesmithError('DATA_INVALID', `there are more than ${mostLabels} labels`, {
    where: file,
    hint: 'Name them (objective.labels), map the column that holds them, or use problemType: regression for numbers.',
  });
}
