import { didYouMean, type RowKind, TunesmithError } from '@tunesmith/core';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import { type Format, type FormatName, type FormatRows, formatNamed, formats } from './formats.js';
import type { LabelScheme } from './label-scheme.js';
import type { ColumnMap } from './row-reader.js';

export interface FormatOptions {
  /** Detected from the first rows unless named. */
  readonly format?: FormatName;
  readonly columns?: ColumnMap;
  /** What labels or tags mean, where such are learnt; without it words are. */
  readonly labels?: LabelScheme;
  /** What the rows are for: labels where `labels` are given, and else answers, if not said. */
  readonly rows?: RowKind;
}

/** A file's format, and what the file calls its columns. */
export interface DetectedFormat extends Format {
  readonly columns: ColumnMap;
}

/** What other data sets call the columns, for the suggestion in an error. */
const synonyms: Readonly<Record<string, readonly string[]>> = {
  prompt: ['question', 'query', 'problem', 'instruction', 'input', 'source'],
  completion: ['answer', 'response', 'output', 'solution', 'target', 'reply'],
  messages: ['conversation', 'dialog', 'dialogue', 'chat', 'turns'],
  text: ['content', 'document', 'body', 'story', 'sentence', 'comment', 'tweet', 'message', 'utterance'],
  anchor: ['question', 'text', 'sentence', 'sentence1', 'premise', 'source', 'title'],
  positive: ['answer', 'document', 'passage', 'pos', 'sentence2', 'paraphrase', 'target', 'body'],
  sentence1: ['text1', 'first', 'a', 'query', 'premise'],
  sentence2: ['text2', 'second', 'b', 'document', 'hypothesis'],
  score: ['similarity_score', 'relevance', 'rating', 'relatedness_score'],
  text1: ['first', 'a', 'query', 'source'],
  text2: ['second', 'b', 'answer', 'document', 'target'],
  label: ['class', 'category', 'target', 'sentiment', 'intent', 'rating', 'stars', 'similarity', 'relevance', 'tags'],
};

/**
 * The format of a file: the named one, or the first whose required columns every one of the first rows has.
 *
 * Preference data (`chosen` and `rejected`, or a true/false `label` beside an answer) is detected and refused: taken for
 * ordinary examples it would train the rejected answers too.
 */
export function detectFormat(
  rows: readonly JsonObject[],
  file: string,
  { format, columns = {}, labels, rows: kind }: FormatOptions = {},
): DetectedFormat {
  const seen = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const wanted = kind ?? (labels === undefined ? 'answers' : 'labels');
  const candidates = formats.filter((each) => rowsOf(each) === wanted);
  const named = format === undefined ? undefined : formatNamed(format);
  if (named !== undefined && !candidates.includes(named)) throw otherPurpose(named, candidates);
  const fitting = (named === undefined ? candidates : [named]).map((each) => ({
    each,
    map: columnsOf(rows, each, columns),
  }));
  const { each: found, map } = fitting.find((candidate) => candidate.map !== undefined) ?? {
    each: named,
    map: columns,
  };
  if (format === undefined && wanted === 'answers' && isPreference(rows, seen)) throw preferenceData(file, seen, found);
  if (found === undefined || map === undefined || rows.length === 0) {
    throw unknownFormat(file, seen, rows.length, candidates);
  }
  const known = [...found.required, ...found.optional];
  for (const [column, name] of Object.entries(columns)) {
    if (!known.includes(column)) {
      throw new TunesmithError('CONFIG_INVALID', `the format ${found.name} has no column ${JSON.stringify(column)}`, {
        where: `columns.${column}`,
        hint: didYouMean(column, known),
      });
    }
    if (!seen.includes(name)) {
      throw new TunesmithError('DATA_INVALID', `no row has the column ${JSON.stringify(name)}`, {
        where: file,
        hint: didYouMean(name, seen),
      });
    }
  }
  return { ...found, columns: map };
}

/** What the rows call a format's columns, if each of them has all that it requires. */
function columnsOf(
  rows: readonly JsonObject[],
  { required, alternatives = [{}] }: Format,
  columns: ColumnMap,
): ColumnMap | undefined {
  return alternatives
    .map((alternative): ColumnMap => ({ ...alternative, ...columns }))
    .find((map) => required.every((column) => rows.every((row) => row[map[column] ?? column] !== undefined)));
}

const purposes: Readonly<Record<FormatRows, string>> = {
  answers: 'answers to learn',
  labels: 'labels to learn',
  tags: 'tags of words',
  questions: 'questions about passages',
  preferences: 'answers that are preferred to others',
  ratings: 'answers that are good or bad',
  prompts: 'prompts without an answer',
  positives: 'texts with one that each is alike',
  similarities: 'pairs of texts with a score',
};

function rowsOf({ rows = 'answers' }: Format): FormatRows {
  return rows;
}

function otherPurpose(named: Format, candidates: readonly Format[]): TunesmithError {
  return new TunesmithError('CONFIG_INVALID', `the format ${named.name} is for ${purposes[rowsOf(named)]}`, {
    where: 'data.format',
    expected: candidates.map((candidate) => candidate.name).join(', '),
    hint: `The objective learns from ${purposes[rowsOf(candidates[0] as Format)]}.`,
  });
}

function preferenceData(file: string, seen: readonly string[], found: Format | undefined): TunesmithError {
  const learnAll = found === undefined ? '' : ` Or name the format (${found.name}) to learn every answer.`;
  return new TunesmithError('DATA_INVALID', 'the rows are preference data', {
    where: file,
    expected: 'examples of answers to learn',
    got: `the columns ${seen.join(', ')}`,
    hint: `Name an objective that learns from preferences; \`tunesmith plugins\` lists what is installed.${learnAll}`,
  });
}

function isPreference(rows: readonly JsonObject[], seen: readonly string[]): boolean {
  if (seen.includes('chosen') && seen.includes('rejected')) return true;
  return ['label', 'kto_tag'].some((column) => rows.some((row) => typeof row[column] === 'boolean'));
}

function unknownFormat(
  file: string,
  seen: readonly string[],
  rows: number,
  candidates: readonly Format[],
): TunesmithError {
  if (rows === 0) return new TunesmithError('DATA_INVALID', 'there are no rows', { where: file });
  const described = candidates.map(({ name, required }) => `${name} (${required.join(', ')})`).join('; ');
  return new TunesmithError('DATA_INVALID', 'the columns fit no data format', {
    where: file,
    expected: described,
    got: `the columns ${seen.join(', ') || '(none)'}`,
    hint: suggestion(seen, candidates),
  });
}

/** A column map for what is there, as far as it can be guessed. */
function suggestion(seen: readonly string[], candidates: readonly Format[]): string {
  const match = (column: string) => seen.find((name) => synonyms[column]?.includes(name.toLowerCase()));
  for (const { required } of candidates) {
    const pairs = required.map((column) => [column, seen.includes(column) ? column : match(column)] as const);
    if (pairs.some(([, name]) => name === undefined)) continue;
    return `If the names differ, map them: columns: { ${pairs.map(([column, name]) => `${column}: ${name}`).join(', ')} }.`;
  }
  const [sample, what] = candidates.some((each) => rowsOf(each) === 'labels')
    ? ['text: comment, label: tone', 'A file without a line of names needs data.header.']
    : ['prompt: question, completion: answer', ''];
  return `If only the names differ, map them, for instance columns: { ${sample} }. ${what}`.trim();
}
