import type { ChatMessage } from '../chat/chat-message.js';
import type { AnswerExample, Example } from './example.js';
import type { Format } from './formats.js';
import { readInstruction } from './instruction.js';
import { isMessages, readMessage, readMessages, readShareGpt, readShareGptMessage, readTools } from './message-list.js';
import type { RowReader } from './row-reader.js';

/** Columns beside the answers, by what data sets call them, the usual name first. */
const scoreNames = {
  chosen: ['score_chosen', 'chosen_score', 'chosen-rating'],
  rejected: ['score_rejected', 'rejected_score', 'rejected-rating'],
} as const;
const reasonNames = ['reject_reason', 'reason'] as const;
const marginNames = ['margin'] as const;
const beside = [...scoreNames.chosen, ...scoreNames.rejected, ...marginNames, ...reasonNames];

/** What a prompt's answer should be, by what data sets call it. */
const expectedNames = ['answer', 'solution', 'ground_truth'] as const;

/** What tells a good answer from a bad one: TRL's column, and LLaMA-Factory's. */
const ratingNames = [{ label: 'label' }, { label: 'kto_tag' }];

/**
 * Rows of two answers to one prompt: TRL's, with the prompt in a column or at the beginning of both texts, and LLaMA-Factory's
 * `ranking` forms of ShareGPT and Alpaca.
 */
const pairFormats: readonly Format[] = [
  {
    name: 'preference-sharegpt',
    required: ['conversations', 'chosen', 'rejected'],
    optional: ['system', 'tools', ...beside],
    rows: 'preferences',
    parse(row) {
      const prompt = withSystem(row, readShareGpt(row, 'conversations'));
      const answer = (column: string) => chatAnswer(row, column, prompt, [readShareGptMessage(row, column)]);
      return preference(row, answer('chosen'), answer('rejected'));
    },
  },
  {
    name: 'preference-alpaca',
    required: ['instruction', 'chosen', 'rejected'],
    optional: ['input', 'system', 'history', ...beside],
    rows: 'preferences',
    parse: (row) => preference(row, readInstruction(row, 'chosen'), readInstruction(row, 'rejected')),
  },
  {
    name: 'preference',
    required: ['chosen', 'rejected'],
    optional: ['prompt', 'tools', ...beside],
    rows: 'preferences',
    parse: (row) => (row.has('prompt') ? explicitPair(row) : implicitPair(row)),
  },
];

/** Rows of one answer that is good or bad (KTO): TRL's unpaired preference, and answers of the other formats with a tag. */
const ratedFormats: readonly Format[] = [
  {
    name: 'rated-messages',
    required: ['messages', 'label'],
    optional: ['tools'],
    alternatives: ratingNames,
    rows: 'ratings',
    parse: (row) => rated(row, lastAnswer(row, readMessages(row, 'messages'), 'messages')),
  },
  {
    name: 'rated-sharegpt',
    required: ['conversations', 'label'],
    optional: ['system', 'tools'],
    alternatives: ratingNames,
    rows: 'ratings',
    parse: (row) => rated(row, lastAnswer(row, withSystem(row, readShareGpt(row, 'conversations')), 'conversations')),
  },
  {
    name: 'rated-alpaca',
    required: ['instruction', 'output', 'label'],
    optional: ['input', 'system', 'history'],
    alternatives: ratingNames,
    rows: 'ratings',
    parse: (row) => rated(row, readInstruction(row, 'output')),
  },
  {
    name: 'rated',
    required: ['prompt', 'completion', 'label'],
    optional: ['tools'],
    alternatives: ratingNames,
    rows: 'ratings',
    parse: (row) => rated(row, answerTo(row, 'completion')),
  },
];

/** Rows of prompts that the model is to answer itself. */
const promptFormats: readonly Format[] = [
  {
    name: 'prompt',
    required: ['prompt'],
    optional: ['tools', ...expectedNames],
    rows: 'prompts',
    parse(row) {
      const found = expectedNames.find((name) => row.has(name));
      const expected = found === undefined ? {} : { expected: wordOrNumber(row, found) };
      if (!isMessages(row, 'prompt')) return { kind: 'prompt', prompt: row.text('prompt'), ...expected };
      const tools = readTools(row, 'tools');
      return { kind: 'prompt', prompt: readMessages(row, 'prompt'), ...(tools && { tools }), ...expected };
    },
  },
];

export const preferenceFormats: readonly Format[] = [...pairFormats, ...ratedFormats, ...promptFormats];

function preference(row: RowReader, chosen: AnswerExample, rejected: AnswerExample): Example {
  const [best, worst] = [number(row, scoreNames.chosen), number(row, scoreNames.rejected)];
  const margin = number(row, marginNames);
  const reason = reasonNames.map((name) => row.optionalText(name)).find((text) => text !== undefined);
  return {
    kind: 'preference',
    chosen,
    rejected,
    ...(best !== undefined && worst !== undefined && { scores: [best, worst] as const }),
    ...(margin !== undefined && { margin }),
    ...(reason !== undefined && { reason }),
  };
}

function number(row: RowReader, names: readonly string[]): number | undefined {
  const name = names.find((column) => row.has(column));
  if (name === undefined) return undefined;
  const value = row.value(name);
  const score = typeof value === 'string' && value.trim() === '' ? Number.NaN : Number(value);
  if (Number.isFinite(score)) return score;
  throw row.wrong(name, 'a number', value);
}

function wordOrNumber(row: RowReader, column: string): string {
  const value = row.value(column);
  return typeof value === 'number' ? String(value) : row.text(column);
}

function rated(row: RowReader, answer: AnswerExample): Example {
  const value = row.value('label');
  const good = typeof value === 'string' ? { true: true, false: false }[value.trim().toLowerCase()] : value;
  if (typeof good === 'boolean') return { kind: 'rated', answer, good };
  if (good === 1 || good === 0) return { kind: 'rated', answer, good: good === 1 };
  throw row.wrong('label', 'true for a good answer or false for a bad one', value);
}

/** Prompt and answer in columns of their own: texts, messages, or a single message for an answer. */
function explicitPair(row: RowReader): Example {
  return preference(row, answerTo(row, 'chosen'), answerTo(row, 'rejected'));
}

function answerTo(row: RowReader, column: string): AnswerExample {
  if (!isMessages(row, 'prompt')) return { kind: 'pair', prompt: row.text('prompt'), completion: row.text(column) };
  const prompt = readMessages(row, 'prompt');
  const answer = isMessages(row, column) ? readMessages(row, column) : [readMessage(row, column)];
  return chatAnswer(row, column, prompt, answer);
}

/** The prompt is what both texts begin with. */
function implicitPair(row: RowReader): Example {
  if (isMessages(row, 'chosen')) {
    const [chosen, rejected] = [readMessages(row, 'chosen'), readMessages(row, 'rejected')];
    let shared = 0;
    const most = Math.min(chosen.length, rejected.length) - 1;
    while (shared < most && JSON.stringify(chosen[shared]) === JSON.stringify(rejected[shared])) shared++;
    const answer = (column: string, messages: ChatMessage[]) =>
      chatAnswer(row, column, messages.slice(0, shared), messages.slice(shared));
    return preference(row, answer('chosen', chosen), answer('rejected', rejected));
  }
  const [chosen, rejected] = [row.text('chosen'), row.text('rejected')];
  const prompt = sharedWords(chosen, rejected);
  const answer = (text: string): AnswerExample => ({ kind: 'pair', prompt, completion: text.slice(prompt.length) });
  return preference(row, answer(chosen), answer(rejected));
}

/** What two texts begin with, up to where a word begins: answers that begin with the same letters keep them. */
function sharedWords(a: string, b: string): string {
  let length = 0;
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) length++;
  const shared = a.slice(0, length);
  if (length === a.length && length === b.length) return shared;
  const space = shared.search(/\s\S*$/);
  return space < 0 ? shared : shared.slice(0, space);
}

/** A conversation whose last message is the answer that is rated. */
function lastAnswer(row: RowReader, messages: readonly ChatMessage[], column: string): AnswerExample {
  if (messages.at(-1)?.role !== 'assistant') {
    throw row.wrong(column, 'an answer of the assistant at the end', row.value(column));
  }
  return chatAnswer(row, column, messages.slice(0, -1), messages.slice(-1));
}

function chatAnswer(
  row: RowReader,
  column: string,
  prompt: readonly ChatMessage[],
  answer: readonly ChatMessage[],
): AnswerExample {
  if (!answer.some(({ role }) => role === 'assistant')) {
    throw row.wrong(column, 'a message of the assistant', row.value(column));
  }
  const tools = readTools(row, 'tools');
  return { kind: 'chat', messages: [...prompt, ...answer], promptMessages: prompt.length, ...(tools && { tools }) };
}

function withSystem(row: RowReader, messages: ChatMessage[]): ChatMessage[] {
  const system = row.optionalText('system');
  return system ? [{ role: 'system', content: system }, ...messages] : messages;
}
