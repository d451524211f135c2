import type { QuestionExample } from './example.js';
import type { Format } from './formats.js';
import type { RowReader } from './row-reader.js';

/**
 * SQuAD's rows as the Hub has them: a question, the passage, and `answers` of `{ text: […], answer_start: […] }`, both empty where the passage
 * does not answer; or a list of `{ text, answer_start }`, as SQuAD's own files have it.
 */
export const squadFormat: Format = {
  name: 'squad',
  required: ['question', 'context', 'answers'],
  optional: [],
  rows: 'questions',
  alternatives: [{}, { context: 'passage' }],
  parse(row): QuestionExample {
    const [question, context] = [row.text('question').trimStart(), row.text('context')];
    if (question === '') throw row.wrong('question', 'a question', row.value('question'));
    if (context.trim() === '') throw row.wrong('context', 'a passage', context);
    const answers = answersIn(row).map(({ text, start }, index) => ({
      text,
      start: placeOf(row, { text, start, context, index }),
    }));
    return { kind: 'question', question, context, answers };
  },
};

interface GivenAnswer {
  readonly text: string;
  /** In Unicode code points, as Python counts. */
  readonly start: number;
}

function answersIn(row: RowReader): GivenAnswer[] {
  const cell = row.value('answers');
  const given: unknown = typeof cell === 'string' ? parsed(cell) : cell;
  const expected = '{ text: […], answer_start: […] }, or a list of { text, answer_start }';
  if (typeof given !== 'object' || given === null) throw row.wrong('answers', expected, cell);
  const pairs = Array.isArray(given)
    ? given.map((each) => [each?.text, each?.answer_start] as const)
    : paired(given as Record<string, unknown>);
  if (pairs === null) throw row.wrong('answers', `${expected}, as many of one as of the other`, cell);
  return pairs.map(([text, at], index) => {
    const start = Number(at);
    if (typeof text !== 'string' || text.trim() === '') throw row.wrong('answers', 'a text', text, `[${index}].text`);
    if (!Number.isInteger(start) || start < 0) {
      throw row.wrong('answers', 'the character that it begins at', at, `[${index}].answer_start`);
    }
    return { text, start };
  });
}

function paired({ text, answer_start: starts }: Record<string, unknown>): (readonly [unknown, unknown])[] | null {
  if (!isList(text) || !isList(starts)) return null;
  const [texts, places] = [Array.from(text), Array.from(starts)];
  return texts.length === places.length ? texts.map((each, index) => [each, places[index]] as const) : null;
}

/** A list of JSON, or the numbers of a Parquet column. */
function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || ArrayBuffer.isView(value);
}

/** Where an answer begins in UTF-16 code units: counted in code points, or as JavaScript counts. @throws DATA_INVALID where it stands at neither */
function placeOf(
  row: RowReader,
  { text, start, context, index }: GivenAnswer & { readonly context: string; readonly index: number },
): number {
  const points = Array.from(context.slice(0, 2 * start))
    .slice(0, start)
    .join('').length;
  const found = [points, start].find((at) => context.startsWith(text, at));
  if (found !== undefined) return found;
  const elsewhere = context.indexOf(text);
  const where =
    elsewhere < 0
      ? 'it does not stand in the passage'
      : `it stands at ${Array.from(context.slice(0, elsewhere)).length}`;
  throw row.wrong(
    'answers',
    `${JSON.stringify(text)} at character ${start} of the passage: ${where}`,
    context.slice(points, points + text.length),
    `[${index}]`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
