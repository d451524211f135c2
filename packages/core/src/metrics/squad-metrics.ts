import { TunesmithError } from '../errors/tunesmith-error.js';

/**
 * SQuAD's measures of answers, each against the best of what would be right (Rajpurkar et al. 2016, §6.1, and for questions without an answer
 * Rajpurkar et al. 2018): the share that are right word for word, and the mean F1 of their words. Case, punctuation, articles and white space do
 * not count. Where some questions have an answer and some have none, both kinds are measured apart too.
 */
export function squadScores(
  answers: readonly string[],
  references: readonly (readonly string[])[],
): Readonly<Record<string, number>> {
  if (answers.length !== references.length || answers.length === 0) {
    throw new TunesmithError('DATA_INVALID', 'answers are measured against what would be right for each', {
      expected: `${answers.length} lists, and one at least`,
      got: String(references.length),
    });
  }
  const scored = answers.map((answer, index) => scoresOf(answer, references[index] as readonly string[]));
  const [known, unknown] = [true, false].map((has) => scored.filter(({ hasAnswer }) => hasAnswer === has)) as [
    AnswerScores[],
    AnswerScores[],
  ];
  const mean = (of: readonly AnswerScores[], pick: 'exact' | 'f1'): number =>
    of.reduce((sum, scores) => sum + scores[pick], 0) / of.length;
  return {
    exactMatch: mean(scored, 'exact'),
    f1: mean(scored, 'f1'),
    ...(known.length > 0 &&
      unknown.length > 0 && {
        hasAnswerExactMatch: mean(known, 'exact'),
        hasAnswerF1: mean(known, 'f1'),
        noAnswerExactMatch: mean(unknown, 'exact'),
      }),
  };
}

interface AnswerScores {
  readonly exact: number;
  readonly f1: number;
  readonly hasAnswer: boolean;
}

function scoresOf(answer: string, references: readonly string[]): AnswerScores {
  const wanted = references.map(plainWords).filter((words) => words.length > 0);
  const own = plainWords(answer);
  const all = wanted.length === 0 ? [[]] : wanted;
  return {
    exact: all.some((words) => words.join(' ') === own.join(' ')) ? 1 : 0,
    f1: Math.max(...all.map((words) => wordF1(own, words))),
    hasAnswer: references.length > 0,
  };
}

/** 2PR / (P + R) of the words that both have; 1 or 0 where one is empty, as both are or not. */
function wordF1(own: readonly string[], wanted: readonly string[]): number {
  if (own.length === 0 || wanted.length === 0) return own.length === wanted.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const word of wanted) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of own) {
    const count = left.get(word) ?? 0;
    if (count > 0) common += 1;
    left.set(word, count - 1);
  }
  return (2 * common) / (own.length + wanted.length);
}

/** Words as SQuAD's evaluation compares them: in lower case, without ASCII punctuation, then without articles. */
function plainWords(text: string): string[] {
  return text
    .toLowerCase()
    .replace(/[!-/:-@[-`{-~]/g, '')
    .replace(/(?<![\p{L}\p{N}_])(a|an|the)(?![\p{L}\p{N}_])/gu, ' ')
    .split(/\s+/)
    .filter((word) => word !== '');
}
