import { bleu, exactMatch, rougeL, TunesmithError } from '@tunesmith/core';
import { loadChatTemplate, type Question, questionOf, readExamples } from '@tunesmith/data';
import type { Recipe } from '../recipe/recipe.js';
import { answerPrompts } from './answer-prompts.js';
import type { OnPhase } from './engine.js';
import type { LoadedModel } from './load-model.js';

export interface EvaluateAnswersOptions {
  /** The files, and how rows are read. */
  readonly data: Recipe['data'];
  readonly batchSize: number;
  /** Most tokens of an answer; 256 if not said. */
  readonly maxNewTokens?: number;
  /** Told after each batch how many are answered. */
  readonly onAnswered?: (count: number) => void;
  readonly onPhase?: OnPhase;
}

/** What a model said to a prompt, and what it should have said. */
export interface GivenAnswer extends Question {
  readonly text: string;
}

export interface AnswersEvaluation {
  readonly rows: number;
  /** `exactMatch` and `rougeL` in 0..1, `bleu` in 0..100. */
  readonly metrics: { readonly exactMatch: number; readonly bleu: number; readonly rougeL: number };
  readonly answers: readonly GivenAnswer[];
}

/**
 * Has a model answer the prompts of data files, greedily, and measures the answers by what the files say. Of a conversation it is the last
 * answer. @throws DATA_INVALID for rows that ask nothing
 */
export async function evaluateAnswers(
  loaded: LoadedModel,
  { data, batchSize, maxNewTokens = 256, onAnswered, onPhase }: EvaluateAnswersOptions,
): Promise<AnswersEvaluation> {
  const { train, format, columns, header } = data;
  const files = typeof train === 'string' ? [train] : train;
  const template = loadChatTemplate(loaded.tokenizer, data.template);
  const questions: Question[] = [];
  const reading = { ...(format && { format }), ...(columns && { columns }), ...(header && { header }) };
  for await (const { example } of readExamples(files, reading)) questions.push(questionOf(example, { template }));
  if (questions.length === 0)
    throw new TunesmithError('DATA_INVALID', 'there are no rows', { where: files.join(', ') });
  const texts = await answerPrompts(
    loaded,
    questions.map(({ prompt }) => prompt),
    {
      ...{ batchSize, maxNewTokens },
      onAnswered(count) {
        onAnswered?.(count);
        onPhase?.(`answered ${count} of ${questions.length} prompts`);
      },
    },
  );
  const expected = questions.map((question) => question.expected);
  return {
    rows: questions.length,
    metrics: { exactMatch: exactMatch(texts, expected), bleu: bleu(texts, expected), rougeL: rougeL(texts, expected) },
    answers: questions.map((question, index) => ({ ...question, text: texts[index] as string })),
  };
}
