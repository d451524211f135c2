import { TunesmithError } from '@tunesmith/core';
import { type Example, rowLabel } from '../format/example.js';
import { type ExampleSpanOptions, exampleSpans } from './example-spans.js';

/** What a model is asked, as the text that it sees, and what it should say. */
export interface Question {
  readonly prompt: string;
  readonly expected: string;
}

/** The last answer of an example of words, and all that comes before it. @throws DATA_INVALID where nothing is asked */
export function questionOf(example: Example, options: Omit<ExampleSpanOptions, 'trainOnHistory'>): Question {
  const { kind, source } = example;
  if (kind !== 'pair' && kind !== 'instruction' && kind !== 'chat') {
    throw new TunesmithError('DATA_INVALID', 'the row asks nothing that could be answered', {
      ...(source && { where: rowLabel(source) }),
      expected: 'a prompt and an answer',
      got: `the format of a ${kind}`,
    });
  }
  const spans = exampleSpans(example, { ...options, trainOnHistory: false });
  const last = spans.findLastIndex((span) => span.kind === 'answer');
  const prompt = spans
    .slice(0, last)
    .map(({ text }) => text)
    .join('');
  switch (kind) {
    case 'pair':
      return { prompt, expected: example.completion };
    case 'instruction':
      return { prompt, expected: example.turns.at(-1)?.output ?? '' };
    case 'chat': {
      const answer = example.messages.findLast(({ role }) => role === 'assistant');
      return { prompt, expected: typeof answer?.content === 'string' ? answer.content : (spans[last]?.text ?? '') };
    }
  }
}
