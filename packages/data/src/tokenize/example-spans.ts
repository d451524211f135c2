import { TunesmithError } from '@tunesmith/core';
import type { ChatMessage } from '../chat/chat-message.js';
import type { ChatTemplate } from '../chat/chat-template.js';
import { type ConversationSpan, conversationSpans } from '../chat/conversation-spans.js';
import {
  type AnswerExample,
  type Example,
  type InstructionExample,
  rowLabel,
  type TextExample,
} from '../format/example.js';
import { alpacaPrompt, alpacaRequest } from './alpaca-prompt.js';

/** A piece of an example's text and whether the model is to say it. */
export interface TextSpan extends ConversationSpan {
  /** An end token must follow, because nothing in the text itself says that the answer is over. */
  readonly ends: boolean;
}

export interface ExampleSpanOptions {
  /** Null writes instructions as plain text and refuses conversations. */
  readonly template: ChatTemplate | null;
  /** Train every answer of a conversation, not only the last. */
  readonly trainOnHistory?: boolean;
  /** What `strftime_now` of a template takes for now. */
  readonly now?: Date;
}

/** What a template that prints the date prints while training, so that a cache or a resumed run does not change overnight. */
const fixedDate = new Date(2024, 6, 26);

/** An example of words to learn. */
export type SpokenExample = (TextExample | AnswerExample) & Pick<Example, 'source'>;

/** Writes an example as text, cut where the model begins and ends to speak. */
export function exampleSpans(example: SpokenExample, options: ExampleSpanOptions): TextSpan[] {
  switch (example.kind) {
    case 'text':
      return [{ text: example.text, kind: 'answer', ends: true }];
    case 'pair':
      return [
        { text: example.prompt, kind: 'prompt', ends: false },
        { text: example.completion, kind: 'answer', ends: true },
      ];
    case 'instruction':
      if (options.template === null) return plainInstruction(example, options);
      return chatSpans(example, instructionMessages(example), options.template, options);
    case 'chat':
      if (options.template === null) {
        throw new TunesmithError('DATA_INVALID', 'conversations need a chat template, and the model has none', {
          ...(example.source && { where: rowLabel(example.source) }),
          hint: 'Name one (template: chatml), or give the data as prompt and completion.',
        });
      }
      return chatSpans(example, example.messages, options.template, options);
  }
}

/** An instruction example as the conversation it stands for; the input follows the instruction on a line of its own. */
export function instructionMessages({ system, turns }: InstructionExample): ChatMessage[] {
  const conversation = turns.flatMap(({ instruction, input, output }) => [
    { role: 'user', content: input === '' ? instruction : `${instruction}\n${input}` },
    { role: 'assistant', content: output },
  ]);
  return system === undefined ? conversation : [{ role: 'system', content: system }, ...conversation];
}

function plainInstruction(
  { system, turns }: InstructionExample,
  { trainOnHistory = true }: ExampleSpanOptions,
): TextSpan[] {
  return turns.flatMap((turn, index): TextSpan[] => {
    const prompt = index === 0 ? alpacaPrompt(turn, system) : `\n\n${alpacaRequest(turn)}`;
    const trained = trainOnHistory || index === turns.length - 1;
    return [
      { text: prompt, kind: 'prompt', ends: false },
      { text: turn.output, kind: trained ? 'answer' : 'prompt', ends: true },
    ];
  });
}

function chatSpans(
  { source, ...example }: SpokenExample,
  messages: readonly ChatMessage[],
  template: ChatTemplate,
  { trainOnHistory = true, now = fixedDate }: ExampleSpanOptions,
): TextSpan[] {
  try {
    const spans = conversationSpans(template, messages, {
      lastAnswerOnly: !trainOnHistory,
      now,
      ...(example.kind === 'chat' && { promptMessages: example.promptMessages }),
      ...(example.kind === 'chat' && example.tools && { tools: example.tools }),
    });
    return spans.map((span, index) => ({ ...span, ends: span.kind === 'answer' && index === spans.length - 1 }));
  } catch (error) {
    if (source === undefined || !TunesmithError.isInstance(error)) throw error;
    throw new TunesmithError('DATA_INVALID', 'the chat template cannot write the conversation', {
      where: rowLabel(source),
      hint: error.message,
      cause: error,
    });
  }
}
