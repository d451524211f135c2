import { createInterface } from 'node:readline/promises';
import { TunesmithError } from '@tunesmith/core';
import type { ChatMessage } from '@tunesmith/data';
import { chatPrompt, createTextGenerator, type GenerateTextOptions, type TextGenerator } from '@tunesmith/runtime';
import type { GenerateFlags } from './commands/generate.js';
import { openFromFlags } from './open-from-flags.js';
import type { Terminal } from './terminal.js';

interface Answer {
  readonly text: string;
  readonly tokens: readonly number[];
}

/** Answers one prompt, or a conversation. */
export async function generate(flags: GenerateFlags, terminal: Terminal): Promise<void> {
  const { prompt, chat, template, system } = flags;
  if (prompt === undefined && chat === undefined) {
    throw new TunesmithError('CONFIG_INVALID', 'there is nothing to continue', { expected: '--prompt or --chat' });
  }
  const model = await openFromFlags(flags, terminal);
  const generator = createTextGenerator(model);
  try {
    const say = (text: string): Promise<Answer> => answer(generator, text, optionsOf(flags), terminal);
    if (chat === undefined) {
      finish(await say(prompt as string), terminal);
      return;
    }
    const render = chatPrompt(model.tokenizer, template ?? model.template);
    const start: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
    if (prompt !== undefined) finish(await say(render([...start, { role: 'user', content: prompt }])), terminal);
    else await converse(start, (messages) => say(render(messages)), terminal);
  } finally {
    await generator.dispose();
    model.dispose();
  }
}

export function optionsOf(flags: GenerateFlags): GenerateTextOptions {
  const { maxTokens, temperature, topK, topP, repetitionPenalty, seed, stop = [] } = flags;
  return {
    ...{ maxNewTokens: maxTokens, temperature, seed, stop },
    ...(topK === undefined ? {} : { topK }),
    ...(topP === undefined ? {} : { topP }),
    ...(repetitionPenalty === undefined ? {} : { repetitionPenalty }),
  };
}

/** Writes an answer to stdout as it comes, and gives it whole. */
async function answer(
  generator: TextGenerator,
  prompt: string,
  options: GenerateTextOptions,
  terminal: Terminal,
): Promise<Answer> {
  let text = '';
  const tokens: number[] = [];
  for await (const piece of generator.generate(prompt, options)) {
    text += piece.text;
    tokens.push(...piece.tokens);
    if (!terminal.json) process.stdout.write(piece.text);
  }
  return { text, tokens };
}

function finish(result: Answer, terminal: Terminal): void {
  if (terminal.json) terminal.printJson(result);
  else terminal.print();
}

/** A conversation, line by line, until the end of the input. */
async function converse(
  messages: ChatMessage[],
  say: (messages: readonly ChatMessage[]) => Promise<Answer>,
  terminal: Terminal,
): Promise<void> {
  const lines = createInterface({
    input: process.stdin,
    output: process.stderr,
    prompt: terminal.styleNote('cyan', '> '),
  });
  terminal.note(terminal.styleNote('dim', 'An empty line or Ctrl-D ends the conversation.'));
  lines.prompt();
  for await (const line of lines) {
    if (line.trim() === '') break;
    messages.push({ role: 'user', content: line });
    const result = await say(messages);
    finish(result, terminal);
    messages.push({ role: 'assistant', content: result.text });
    lines.prompt();
  }
  lines.close();
}
