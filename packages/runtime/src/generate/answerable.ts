import { TunesmithError } from '@tunesmith/core';
import { type ChatMessage, type ChatTemplate, type Example, questionOf, rowLabel } from '@tunesmith/data';

/** What a model is asked, and the row that its answer makes. */
export interface Answerable {
  /** The text that the model sees. */
  readonly prompt: string;
  /** What it should say, where the data says. */
  readonly expected: string | undefined;
  /** Which of the data formats the row is of. */
  readonly format: 'pair' | 'instruction' | 'chat';
  /** The row, in words that a model with another tokenizer and template reads as well. */
  rowOf(answer: string): Record<string, unknown>;
}

/** What an example asks: its prompt, or all before its last answer. @throws DATA_INVALID where nothing is asked */
export function answerableOf(example: Example, template: ChatTemplate | null): Answerable {
  switch (example.kind) {
    case 'prompt': {
      const { prompt, expected, tools } = example;
      if (typeof prompt === 'string') {
        return { prompt, expected, format: 'pair', rowOf: (completion) => ({ prompt, completion }) };
      }
      // The answer is not known yet; the prompt is what comes before it.
      const asked = {
        kind: 'chat' as const,
        messages: answered(prompt, ''),
        promptMessages: 0,
        ...(tools && { tools }),
      };
      const question = questionOf({ ...asked, ...(example.source && { source: example.source }) }, { template });
      return { prompt: question.prompt, expected, format: 'chat', rowOf: chatRow(prompt, tools) };
    }
    case 'pair': {
      const { prompt, completion: expected } = example;
      return { prompt, expected, format: 'pair', rowOf: (completion) => ({ prompt, completion }) };
    }
    case 'chat': {
      const last = example.messages.findLastIndex(({ role }) => role === 'assistant');
      const before = example.messages.slice(0, last);
      return { ...questionOf(example, { template }), format: 'chat', rowOf: chatRow(before, example.tools) };
    }
    case 'instruction': {
      const { turns, system } = example;
      const { instruction = '', input = '' } = turns.at(-1) ?? {};
      const history = turns.slice(0, -1).map((turn) => [turn.instruction, turn.output]);
      const beside = { ...(system !== undefined && { system }), ...(history.length > 0 && { history }) };
      const rowOf = (output: string) => ({ instruction, input, output, ...beside });
      return { ...questionOf(example, { template }), format: 'instruction', rowOf };
    }
    default:
      throw new TunesmithError('DATA_INVALID', 'the row asks nothing that could be answered', {
        ...(example.source && { where: rowLabel(example.source) }),
        expected: 'a prompt, with an answer or without',
        got: `the format of a ${example.kind}`,
      });
  }
}

function chatRow(before: readonly ChatMessage[], tools: unknown): Answerable['rowOf'] {
  return (answer) => ({ messages: answered(before, answer), ...(tools !== undefined && { tools }) });
}

function answered(before: readonly ChatMessage[], content: string): ChatMessage[] {
  return [...before, { role: 'assistant', content }];
}
