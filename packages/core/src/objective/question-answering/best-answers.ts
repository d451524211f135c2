import type { Passage } from '../passage.js';
import type { QuestionAnsweringConfig } from './question-answering-config.js';

/** What was predicted of a part of a passage: at its first place, that of no answer, and at each of its tokens the logits of beginning and end. */
export interface PredictedPart {
  readonly passage: Passage;
  /** `[places, 2]`, further places being none. */
  readonly logits: Float32Array;
}

/** An answer that could be given. */
export interface FoundAnswer {
  /** Empty where nothing is answered. */
  readonly text: string;
  /** The logits of its beginning and its end, summed. */
  readonly score: number;
  /** Its share of e^score among the answers that were kept. */
  readonly probability: number;
  /** Which of the parts it stands in, and where in that one's text. */
  readonly part: number;
  readonly start: number;
  readonly end: number;
}

/** What a question is answered with, and what else could be, the best first. */
export interface FoundAnswers {
  readonly answer: FoundAnswer;
  readonly nBest: readonly FoundAnswer[];
}

type Options = Pick<QuestionAnsweringConfig, 'nBest' | 'maxAnswerLength' | 'nullThreshold'>;
type Candidate = Omit<FoundAnswer, 'probability'>;

/**
 * The answers to one question by the logits of all parts of its passage, as run_qa.py chooses them (transformers/examples/pytorch/
 * question-answering/utils_qa.py, `postprocess_qa_predictions`): of the likeliest beginnings and ends of each part those that fit together,
 * by their sums. With `nullThreshold`, nothing is answered where the least that any part says for that, the sum of both logits at its first
 * place, is above the best answer by more. Beginnings and ends are looked for among the passage's tokens alone.
 */
export function bestAnswers(
  parts: readonly PredictedPart[],
  { nBest, maxAnswerLength, nullThreshold }: Options,
): FoundAnswers {
  const found: Candidate[] = [];
  let none: Candidate = { text: '', score: Number.POSITIVE_INFINITY, part: 0, start: 0, end: 0 };
  for (const [part, { passage, logits }] of parts.entries()) {
    const tokens = passage.spans.length / 2;
    const [begins, ends] = [0, 1].map((which) =>
      Array.from({ length: tokens + 1 }, (_, place) => logits[2 * place + which] as number),
    ) as [number[], number[]];
    const nothing = (begins[0] as number) + (ends[0] as number);
    if (nothing < none.score) none = { ...none, score: nothing, part };
    const likelyEnds = largest(ends, nBest);
    for (const first of largest(begins, nBest)) {
      for (const last of likelyEnds) {
        if (last < first || last - first + 1 > maxAnswerLength) continue;
        const [start, end] = [passage.spans[2 * (first - 1)] as number, passage.spans[2 * last - 1] as number];
        const score = (begins[first] as number) + (ends[last] as number);
        found.push({ text: passage.text.slice(start, end), score, part, start, end });
      }
    }
  }
  const mayBeNone = nullThreshold !== undefined || found.length === 0;
  const kept = (mayBeNone ? [...found, none] : found).sort((a, b) => b.score - a.score).slice(0, nBest);
  if (mayBeNone && !kept.includes(none)) kept.push(none);
  const most = kept[0]?.score as number;
  const sum = kept.reduce((all, { score }) => all + Math.exp(score - most), 0);
  const answers = kept.map((candidate) => ({ ...candidate, probability: Math.exp(candidate.score - most) / sum }));
  const nothing = answers.find(({ text }) => text === '');
  const best = answers.find(({ text }) => text !== '');
  const isNone = best === undefined || (nullThreshold !== undefined && none.score - best.score > nullThreshold);
  return { answer: (isNone ? nothing : best) as FoundAnswer, nBest: answers };
}

/** The places of the largest values but the first's, the largest first. */
function largest(values: readonly number[], count: number): number[] {
  return [...values.keys()]
    .slice(1)
    .sort((a, b) => (values[b] as number) - (values[a] as number))
    .slice(0, count);
}
