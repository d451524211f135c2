import { TunesmithError } from '@tunesmith/core';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import type { ChatMessage, ToolCall } from './chat-message.js';
import type { ChatTemplate, RenderOptions } from './chat-template.js';

/** A piece of a rendered conversation: the model's own words, or what it is given. */
export interface ConversationSpan {
  readonly text: string;
  readonly kind: 'head' | 'prompt' | 'answer';
}

export interface ConversationOptions {
  readonly tools?: readonly JsonObject[];
  /** Assistant messages before this index are part of the prompt. */
  readonly promptMessages?: number;
  /** Take only the last assistant message as an answer. */
  readonly lastAnswerOnly?: boolean;
  readonly now?: Date;
}

/**
 * Renders a conversation and cuts it where the model begins and ends to speak.
 *
 * Templates do not mark their answers, so the edges are found by rendering: the conversation up to an answer with the
 * generation prompt, which is what the model is given at inference, and the conversation up to the answer's end; both must be
 * prefixes of the whole. Where they are not (templates that rewrite earlier turns, Qwen3's for one, or that open a thought
 * for the model), training would differ from inference, and the error says what to do. A leading system message is the
 * head where the template renders it by itself. Messages after the last answer are left out.
 */
export function conversationSpans(
  template: ChatTemplate,
  conversation: readonly ChatMessage[],
  { tools, promptMessages = 0, lastAnswerOnly = false, now }: ConversationOptions = {},
): ConversationSpan[] {
  const last = conversation.findLastIndex(({ role }) => role === 'assistant');
  const messages = conversation.slice(0, last + 1);
  const answers = [...messages.keys()].filter((index) => {
    const { role, weight } = messages[index] as ChatMessage;
    return role === 'assistant' && weight !== 0 && index >= promptMessages && (!lastAnswerOnly || index === last);
  });
  const given = { ...(tools && { tools }), ...(now && { now }) };
  const render = (count: number, addGenerationPrompt: boolean) =>
    template.render(messages.slice(0, count), { addGenerationPrompt, ...given });

  checkNothingIsLost(messages, template, given);
  const whole = render(messages.length, false);

  const spans: ConversationSpan[] = [];
  let cursor = 0;
  const cut = (end: number, kind: ConversationSpan['kind']) => {
    if (end > cursor) spans.push({ text: whole.slice(cursor, end), kind });
    cursor = Math.max(cursor, end);
  };

  if (messages[0]?.role === 'system') cut(headLength(render, whole), 'head');
  for (const index of answers) {
    const asked = render(index, true);
    if (!whole.startsWith(asked)) throw notAPrefix(template, index, 'its beginning');
    cut(asked.length, 'prompt');
    const spoken = index + 1 === messages.length ? whole : render(index + 1, false);
    if (!whole.startsWith(spoken)) throw notAPrefix(template, index, 'its end');
    cut(spoken.length, 'answer');
  }
  cut(whole.length, 'prompt');
  return spans;
}

/** Length of the rendered system message, or 0 where the template does not render it by itself at the start. */
function headLength(render: (count: number, addGenerationPrompt: boolean) => string, whole: string): number {
  try {
    const head = render(1, false);
    return whole.startsWith(head) ? head.length : 0;
  } catch (error) {
    if (TunesmithError.isInstance(error)) return 0;
    throw error;
  }
}

function notAPrefix(template: ChatTemplate, index: number, edge: string): TunesmithError {
  return new TunesmithError('DATA_INVALID', `the template writes message ${index + 1} differently once others follow`, {
    where: `chat template ${template.name}`,
    expected: `the conversation up to ${edge} to be a prefix of the whole`,
    hint: 'Set trainOnHistory to false to train on the last answer only, or name another template (chatml).',
  });
}

/**
 * A role or a tool call that the template does not know would vanish without a word. So the conversation is rendered once
 * more with a mark in every content and every function's name, and each mark must come out.
 */
function checkNothingIsLost(
  messages: readonly ChatMessage[],
  { name, render }: ChatTemplate,
  options: RenderOptions,
): void {
  const mark = (message: number, call?: number) => `zq${message}x${call ?? ''}qz`;
  const marked = messages.map((message, index) => ({
    ...message,
    ...(message.content !== '' && { content: message.content + mark(index) }),
    ...(message.tool_calls && {
      tool_calls: message.tool_calls.map((call, at) => ({
        ...call,
        function: { ...call.function, name: call.function.name + mark(index, at) },
      })),
    }),
  }));
  const rendered = render(marked, options);
  if (options.tools !== undefined && rendered === render(marked, { ...options, tools: [] })) {
    throw new TunesmithError('DATA_INVALID', 'the template leaves out the tools', {
      where: `chat template ${name}`,
      hint: 'Name a template that describes tools, or remove the tools from the data.',
    });
  }
  for (const [index, { role, content, tool_calls = [] }] of messages.entries()) {
    const call = tool_calls.findIndex((_, at) => !rendered.includes(mark(index, at)));
    if (call < 0 && (content === '' || rendered.includes(mark(index)))) continue;
    const lost = call < 0 ? content : (tool_calls[call] as ToolCall).function.name;
    throw new TunesmithError('DATA_INVALID', `the template leaves out ${call < 0 ? 'a message' : 'a tool call'}`, {
      where: `chat template ${name}, message ${index + 1} (${role})`,
      expected: 'a template that knows this role',
      got: JSON.stringify(lost.length > 60 ? `${lost.slice(0, 60)}…` : lost),
      hint: 'Name another template, or remove these messages from the data.',
    });
  }
}
