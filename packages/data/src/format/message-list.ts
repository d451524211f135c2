import { didYouMean, type TunesmithError } from '@tunesmith/core';
import type { ChatMessage, ToolCall } from '../chat/chat-message.js';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import type { RowReader } from './row-reader.js';

const roles = ['system', 'developer', 'user', 'assistant', 'tool'];

/** What ShareGPT dumps call the roles. */
const shareGptRoles: Readonly<Record<string, string>> = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  assistant: 'assistant',
  system: 'system',
  observation: 'tool',
  tool: 'tool',
};

/** Reads a column of `{role, content}` messages, with tool calls, as the OpenAI API writes them. */
export function readMessages(row: RowReader, column: string): ChatMessage[] {
  return row.list(column).map((entry, index) => messageOf(entry, errorAt(row, column, index)));
}

function messageOf(entry: unknown, wrong: WrongAt): ChatMessage {
  const message = asObject(entry, wrong);
  const role = message.role;
  if (typeof role !== 'string' || !roles.includes(role)) throw wrongRole(wrong, '.role', role, roles);
  const calls = toolCalls(message.tool_calls, wrong);
  return {
    role,
    content: contentText(message.content, calls.length > 0, wrong),
    ...(calls.length > 0 && { tool_calls: calls }),
    ...optionalText(message, 'name'),
    ...optionalText(message, 'reasoning_content'),
    ...optionalText(message, 'tool_call_id'),
    ...((message.weight === 0 || message.weight === 1) && { weight: message.weight }),
  };
}

/** Whether a column holds messages, as a list or as its JSON text (a CSV cell), rather than a text or a single message. */
export function isMessages(row: RowReader, column: string): boolean {
  const value = row.value(column);
  if (typeof value === 'string') return value.startsWith('[{');
  return Array.isArray(value) || typeof value !== 'object';
}

/** Reads a column of one message, or of its words alone, which are the assistant's. */
export function readMessage(row: RowReader, column: string): ChatMessage {
  const value = row.value(column);
  return typeof value === 'string' ? { role: 'assistant', content: value } : messageOf(value, errorIn(row, column));
}

/** The same of ShareGPT's. */
export function readShareGptMessage(row: RowReader, column: string): ChatMessage {
  const value = row.value(column);
  return typeof value === 'string' ? { role: 'assistant', content: value } : shareGptOf(value, errorIn(row, column));
}

/** Reads a column of ShareGPT's `{from, value}` messages (or `{role, content}` with its roles). */
export function readShareGpt(row: RowReader, column: string): ChatMessage[] {
  return row.list(column).map((entry, index) => shareGptOf(entry, errorAt(row, column, index)));
}

function shareGptOf(entry: unknown, wrong: WrongAt): ChatMessage {
  const message = asObject(entry, wrong);
  const [roleKey, contentKey] = 'from' in message ? ['from', 'value'] : ['role', 'content'];
  const name = message[roleKey];
  const content = contentText(message[contentKey], false, wrong, `.${contentKey}`);
  if (name === 'function_call') return { role: 'assistant', content: '', tool_calls: calledFunctions(content, wrong) };
  const role = typeof name === 'string' ? shareGptRoles[name] : undefined;
  if (role === undefined) {
    throw wrongRole(wrong, `.${roleKey}`, name, [...Object.keys(shareGptRoles), 'function_call']);
  }
  return { role, content };
}

/** Reads the column of tool schemas: a list, or its JSON text as LLaMA-Factory stores it. */
export function readTools(row: RowReader, column: string): readonly JsonObject[] | undefined {
  return row.optionalList(column)?.map((tool, index) => asObject(tool, errorAt(row, column, index)));
}

type WrongAt = (path: string, expected: string, got: unknown) => TunesmithError;

function errorAt(row: RowReader, column: string, index: number): WrongAt {
  return (path, expected, got) => row.wrong(column, expected, got, `[${index}]${path}`);
}

function errorIn(row: RowReader, column: string): WrongAt {
  return (path, expected, got) => row.wrong(column, expected, got, path);
}

function wrongRole(wrong: WrongAt, path: string, got: unknown, known: readonly string[]): TunesmithError {
  const near = typeof got === 'string' ? ` (${didYouMean(got, known)})` : '';
  return wrong(path, `one of ${known.join(', ')}${near}`, got);
}

function asObject(value: unknown, wrong: WrongAt): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrong('', 'an object', value);
}

function optionalText(message: JsonObject, key: 'name' | 'reasoning_content' | 'tool_call_id') {
  const value = message[key];
  return typeof value === 'string' ? { [key]: value } : {};
}

/** Content is text, a list of text parts, or null beside tool calls. */
function contentText(content: unknown, mayBeAbsent: boolean, wrong: WrongAt, path = '.content'): string {
  if (typeof content === 'string') return content;
  if ((content === null || content === undefined) && mayBeAbsent) return '';
  if (!Array.isArray(content)) throw wrong(path, 'text', content);
  return content
    .map((part: unknown, index) => {
      const { type, text } = asObject(part, (inner, expected, got) =>
        wrong(`${path}[${index}]${inner}`, expected, got),
      );
      if (type !== 'text' || typeof text !== 'string') throw wrong(`${path}[${index}]`, 'a part of type text', part);
      return text;
    })
    .join('');
}

function toolCalls(value: unknown, wrong: WrongAt): ToolCall[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw wrong('.tool_calls', 'a list', value);
  return value.map((entry: unknown, index) => {
    const call = asObject(entry, (inner, expected, got) => wrong(`.tool_calls[${index}]${inner}`, expected, got));
    const { name, arguments: given } = (call.function ?? {}) as JsonObject;
    if (typeof name !== 'string' || given === undefined) {
      throw wrong(`.tool_calls[${index}].function`, 'an object with name and arguments', call.function);
    }
    // Templates write arguments with `tojson`, so the API's JSON text becomes the object it stands for.
    return { ...call, function: { name, arguments: asArguments(given) } };
  });
}

function calledFunctions(content: string, wrong: WrongAt): ToolCall[] {
  const calls = asArguments(content) as unknown;
  return (Array.isArray(calls) ? calls : [calls]).map((call: unknown) => {
    const { name, arguments: given } = asObject(call, (_, __, got) =>
      wrong('.value', 'the JSON of a function call', got),
    );
    if (typeof name !== 'string' || given === undefined)
      throw wrong('.value', 'an object with name and arguments', call);
    return { type: 'function', function: { name, arguments: asArguments(given) } };
  });
}

function asArguments(value: unknown): JsonObject | string {
  if (typeof value !== 'string') return value as JsonObject;
  try {
    return JSON.parse(value) as JsonObject;
  } catch {
    return value;
  }
}
