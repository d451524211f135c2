import { TunesmithError } from '@tunesmith/core';
import { readRows } from '@tunesmith/data';
import { type AskedQuestion, answerQuestions, parseObjective, type QuestionAnswer } from '@tunesmith/runtime';
import type { AnswerFlags } from './commands/answer.js';
import { openFromFlags } from './open-from-flags.js';
import type { Terminal } from './terminal.js';

/** Answers the question of the flags, then those of a file. */
export async function answer(flags: AnswerFlags, terminal: Terminal): Promise<void> {
  const { question, context, questions: file, nullThreshold, batchSize, maxLength } = flags;
  if ((question === undefined) !== (context === undefined) || (question === undefined && file === undefined)) {
    throw new TunesmithError('CONFIG_INVALID', 'there is nothing to answer', {
      expected: '--question with --context, or --questions',
    });
  }
  const model = await openFromFlags(flags, terminal);
  try {
    const objective =
      nullThreshold === undefined
        ? model.objective
        : parseObjective({ ...model.objective, nullThreshold }, '--null-threshold');
    const asked: AskedQuestion[] = [];
    async function* questions(): AsyncGenerator<AskedQuestion, void, void> {
      for await (const one of questionsOf(flags)) {
        asked.push(one);
        yield one;
      }
    }
    const results: ({ readonly question: string } & QuestionAnswer)[] = [];
    const options = { objective, questions: questions(), batchSize, ...(maxLength && { maxLength }) };
    for await (const result of answerQuestions(model, options)) {
      const { question: what } = asked[results.length] as AskedQuestion;
      results.push({ question: what, ...result });
      if (!terminal.json) terminal.print(lineOf(what, result, terminal));
    }
    if (terminal.json) terminal.printJson(results);
  } finally {
    model.dispose();
  }
}

async function* questionsOf({ question, context, questions }: AnswerFlags): AsyncGenerator<AskedQuestion, void, void> {
  if (question !== undefined && context !== undefined) yield { question, context };
  if (questions === undefined) return;
  for await (const { value, row } of readRows(questions)) {
    const { question: what, context: where } = value;
    if (typeof what === 'string' && typeof where === 'string') {
      yield { question: what, context: where };
      continue;
    }
    throw new TunesmithError('DATA_INVALID', 'the row asks nothing of a passage', {
      where: `${questions}:${row}`,
      expected: 'question and context',
      got: Object.keys(value).join(', '),
    });
  }
}

function lineOf(question: string, { answer: text, score }: QuestionAnswer, terminal: Terminal): string {
  const shown = text === '' ? terminal.style('dim', 'no answer') : terminal.style('bold', text);
  return `${shown} ${terminal.style('dim', score.toFixed(3))}  ${question}`;
}
