import { TunesmithError } from '@tunesmith/core';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import type { ChatMessage } from './chat-message.js';
import type { ChatTemplate } from './chat-template.js';

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
  const render = (count: number, addGenerationPrompt: boolean) =>
    template.render(messages.slice(0, count), { addGenerationPrompt, ...(tools && { tools }), ...(now && { now }) });

  const whole = render(messages.length, false);
  checkNothingIsLost(template, messages, whole);

  const spans: ConversationSpan[] = [];
  let cursor = 0;
  const cut = (end: number, kind: ConversationSpan['kind']) => {
    if (end > cursor) spans.push({ text: whole.slice(cursor, end), kind });
    cursor = Math.max(cursor, end);
  };

  if (messages[0]?.role === 'system') cut(headLength(render, whole), 'head');
  for (const index of answers) {
    const given = render(index, true);
    if (!whole.startsWith(given)) throw notAPrefix(template, index, 'its beginning');
    cut(given.length, 'prompt');
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

/** A role or a tool call that the template does not know would vanish without a word. */
function checkNothingIsLost(template: ChatTemplate, messages: readonly ChatMessage[], whole: string): void {
  for (const [index, { role, content, tool_calls = [] }] of messages.entries()) {
    const parts = [...(role === 'assistant' ? [] : [content.trim()]), ...tool_calls.map((call) => call.function.name)];
    const lost = parts.find((part) => !whole.includes(part) && !whole.includes(JSON.stringify(part).slice(1, -1)));
    if (lost === undefined) continue;
    throw new TunesmithError(
      'DATA_INVALID',
      `the template leaves out ${tool_calls.length > 0 ? 'a tool call' : 'a message'}`,
      {
        where: `chat template ${template.name}, message ${index + 1} (${role})`,
        expected: 'a template that knows this role',
        got: JSON.stringify(lost.length > 60 ? `${lost.slice(0, 60)}…` : lost),
        hint: 'Name another template, or remove these messages from the data.',
      },
    );
  }
}
