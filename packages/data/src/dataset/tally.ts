import { TunesmithError } from '@tunesmith/core';
import { type Example, rowLabel } from '../format/example.js';
import type { TokenizedExample } from '../tokenize/tokenize-example.js';

/** What tokenising did to a data set. Plain JSON. */
export interface DataReport {
  readonly examples: number;
  /** Rows after long texts were split and examples without an answer left out. */
  readonly rows: number;
  /** Tokens in those rows, and in the longest example before anything was cut. */
  readonly tokens: number;
  readonly longest: number;
  /** Examples whose prompt, and whose answer, was cut. */
  readonly truncatedPrompts: number;
  readonly truncatedAnswers: number;
  readonly promptTokensDropped: number;
  readonly answerTokensDropped: number;
  /** Examples without a token of an answer. */
  readonly masked: number;
  /** The first examples with a cut answer, and without any, as `file:row`. */
  readonly truncatedExamples: readonly string[];
  readonly maskedExamples: readonly string[];
  /** What became of pairs of answers; null where the rows are no pairs. */
  readonly pairs: PairReport | null;
}

/** Pairs of answers, as they are trained. */
export interface PairReport {
  /** Whose answers are the same, which teach nothing. */
  readonly identical: number;
  /** Of whose answers one alone was cut: a comparison of a whole answer with a part of one. */
  readonly cutOnOneSide: number;
  /** The first of each, as `file:row`. */
  readonly identicalExamples: readonly string[];
  readonly cutOnOneSideExamples: readonly string[];
}

const mostLabels = 100;
export const defaultMaxMaskedFraction = 0.1;

export interface Tally {
  add(example: Example, result: TokenizedExample): void;
  report(): DataReport;
}

export function createTally(): Tally {
  const sums = { examples: 0, rows: 0, tokens: 0, longest: 0, truncatedPrompts: 0, truncatedAnswers: 0 };
  const dropped = { promptTokensDropped: 0, answerTokensDropped: 0, masked: 0 };
  const truncatedExamples: string[] = [];
  const maskedExamples: string[] = [];
  const [identicalExamples, cutOnOneSideExamples]: [string[], string[]] = [[], []];
  const pairs = { seen: 0, identical: 0, cutOnOneSide: 0 };
  const note = (labels: string[], { source }: Example) => {
    if (source !== undefined && labels.length < mostLabels) labels.push(rowLabel(source));
  };
  const pairReport = (): PairReport | null => {
    const { seen, ...counts } = pairs;
    if (seen === 0) return null;
    return { ...counts, identicalExamples: [...identicalExamples], cutOnOneSideExamples: [...cutOnOneSideExamples] };
  };
  return {
    add(example, { rows, length, masked, promptTokensDropped, answerTokensDropped, pair }) {
      sums.examples += 1;
      sums.longest = Math.max(sums.longest, length);
      if (promptTokensDropped > 0) sums.truncatedPrompts += 1;
      if (answerTokensDropped > 0) {
        sums.truncatedAnswers += 1;
        note(truncatedExamples, example);
      }
      if (pair !== undefined) {
        pairs.seen += 1;
        if (pair.identical) {
          pairs.identical += 1;
          note(identicalExamples, example);
        }
        if (pair.dropped[0] > 0 !== pair.dropped[1] > 0) {
          pairs.cutOnOneSide += 1;
          note(cutOnOneSideExamples, example);
        }
      }
      dropped.promptTokensDropped += promptTokensDropped;
      dropped.answerTokensDropped += answerTokensDropped;
      if (masked) {
        dropped.masked += 1;
        note(maskedExamples, example);
        return;
      }
      sums.rows += rows.length;
      for (const { tokens, rejected, compared = [] } of rows) {
        const others = compared.reduce((sum, text) => sum + text.tokens.length, 0);
        sums.tokens += tokens.length + (rejected?.tokens.length ?? 0) + others;
      }
    },
    report: () => ({
      ...sums,
      ...dropped,
      truncatedExamples: [...truncatedExamples],
      maskedExamples: [...maskedExamples],
      pairs: pairReport(),
    }),
  };
}

/** Refuses a data set of which too large a part teaches nothing. */
export function requireAnswers(report: DataReport, files: readonly string[], maxMaskedFraction: number): void {
  const { examples, masked, rows, maskedExamples } = report;
  if (rows > 0 && masked <= maxMaskedFraction * examples) return;
  throw new TunesmithError('DATA_INVALID', 'too many examples have no answer to learn', {
    where: maskedExamples[0] ?? files.join(', '),
    expected: `at most ${maxMaskedFraction * 100} % (maxMaskedFraction)`,
    got: `${masked} of ${examples}`,
    hint: 'Look at them with tunesmith data check; answers cut off entirely need a larger maxLength.',
  });
}
