import {
  bestAnswers,
  createExecutableCache,
  type FoundAnswer,
  type Passage,
  type PredictedPart,
  predict,
  questionAnswering,
  questionAnsweringConfigSchema,
  type Row,
  TunesmithError,
} from '@tunesmith/core';
import { tokenizeExample } from '@tunesmith/data';
import type { ObjectiveSettings } from '../objective/settings.js';
import { maxLengthOf } from '../train/resolve-recipe.js';
import type { LoadedModel } from './load-model.js';

/** A question, and the passage in which its answer is sought. */
export interface AskedQuestion {
  readonly question: string;
  readonly context: string;
}

export interface AnswerQuestionsOptions {
  /** How answers are chosen: `question-answering`, with its options. `openModel` says it. */
  readonly objective: ObjectiveSettings;
  readonly questions: Iterable<AskedQuestion> | AsyncIterable<AskedQuestion>;
  /** Rows at once; 8 if not said. */
  readonly batchSize?: number;
  /** Most tokens of a row: a question with a part of its passage; as a recipe has it if not said. */
  readonly maxLength?: number;
}

/** What a question is answered with. */
export interface QuestionAnswer {
  /** As it stands in the passage; empty where nothing is answered. */
  readonly answer: string;
  /** Its share among the answers that could be given, 0..1. */
  readonly score: number;
  /** Where it begins and ends in the passage, in UTF-16 code units; 0 and 0 where nothing is answered. */
  readonly start: number;
  readonly end: number;
}

/** Answers questions from their passages, in their order. @throws CAPABILITY_MISSING for a model that does something else */
export async function* answerQuestions(
  { model, parameters, backend, tokenizer, path }: LoadedModel,
  { objective: { name: _, ...options }, questions, batchSize = 8, maxLength: most }: AnswerQuestionsOptions,
): AsyncGenerator<QuestionAnswer, void, void> {
  if (model.head.task !== 'question-answering') {
    throw new TunesmithError('CAPABILITY_MISSING', 'this model finds no answers in passages', {
      where: path,
      hint: 'Give it an adapter that was trained with objective: { name: question-answering }, or a merged model.',
    });
  }
  const config = questionAnsweringConfigSchema.parse(options);
  const objective = questionAnswering(config);
  const maxLength = maxLengthOf(most === undefined ? {} : { maxLength: most }, model.shape);
  const passages = { overlap: config.docStride, unanswerable: true };
  const pending: (readonly Passage[])[] = [];
  async function* rows(): AsyncGenerator<Row> {
    for await (const { question, context } of questions) {
      // White space before a question is left out, as of the rows that are learnt.
      const asked = { kind: 'question' as const, question: question.trimStart(), context, answers: [] };
      const own = tokenizeExample(asked, { tokenizer, template: null, maxLength, passages }).rows;
      pending.push(own.map(({ passage }) => passage as Passage));
      yield* own.map(({ labels: __, ...row }) => row);
    }
  }
  const executables = createExecutableCache(backend, parameters.tensors);
  try {
    const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
    let found: PredictedPart[] = [];
    for await (const logits of predict(rows(), { model, parameters, objective, executables, collate })) {
      const parts = pending[0] as readonly Passage[];
      found.push({ passage: parts[found.length] as Passage, logits });
      if (found.length < parts.length) continue;
      yield answerIn(found, bestAnswers(found, config).answer);
      pending.shift();
      found = [];
    }
  } finally {
    await executables.dispose();
  }
}

/** An answer of a part, in the passage as a whole. */
function answerIn(
  parts: readonly PredictedPart[],
  { text, probability, part, start, end }: FoundAnswer,
): QuestionAnswer {
  const offset = text === '' ? 0 : (parts[part] as PredictedPart).passage.offset;
  return { answer: text, score: probability, start: offset + start, end: offset + end };
}
