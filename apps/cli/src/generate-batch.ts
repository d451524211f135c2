import { resolve } from 'node:path';
import { type AdapterChoice, didYouMean, TunesmithError } from '@tunesmith/core';
import { readRows } from '@tunesmith/data';
import { createTextGenerator, openAdapterPool } from '@tunesmith/runtime';
import type { GenerateFlags } from './commands/generate.js';
import { createEngine, pluginRoots } from './engine.js';
import { optionsOf } from './generate-answers.js';
import { baseFromFlags } from './open-from-flags.js';
import type { Terminal } from './terminal.js';

interface PromptRow {
  readonly prompt: string;
  /** An adapter's name, a stack of them, or null for the model alone. */
  readonly adapter: string | readonly string[] | null;
}

/** Continues the prompts of a file together, each with the adapter or the stack of them that its row names. */
export async function generateBatch(flags: GenerateFlags, terminal: Terminal): Promise<void> {
  const { adapter = [], plugin = [], device } = flags;
  const adapters = namedAdapters(adapter);
  const rows = await readPrompts(flags.prompts as string);
  for (const name of rows.flatMap((row) => row.adapter ?? [])) {
    if (name in adapters) continue;
    throw new TunesmithError('NAME_UNKNOWN', `a prompt asks for the adapter "${name}", which no --adapter names`, {
      where: flags.prompts as string,
      hint: didYouMean(name, Object.keys(adapters)),
    });
  }
  const opened = await openAdapterPool({
    model: baseFromFlags(flags),
    ...{ adapters, device, engine: createEngine() },
    lookup: { roots: pluginRoots(), plugins: plugin },
    onPhase: terminal.status,
  });
  terminal.status('');
  const generator = createTextGenerator(opened);
  try {
    const answers = rows.map(({ prompt, adapter: own }) => ({
      prompt,
      adapter: own,
      text: '',
      tokens: [] as number[],
    }));
    const choose = (prompt: number): AdapterChoice => rows[prompt]?.adapter ?? null;
    const prompts = rows.map(({ prompt }) => prompt);
    for await (const { prompt, text, tokens } of generator.generateBatch(prompts, {
      ...optionsOf(flags),
      adapters: choose,
    })) {
      const answer = answers[prompt] as (typeof answers)[number];
      answer.text += text;
      answer.tokens.push(...tokens);
    }
    // A line an answer, in the order of the prompts: the form of the input.
    for (const answer of answers) terminal.printJson(answer);
  } finally {
    await generator.dispose();
    opened.dispose();
  }
}

/** `--adapter name=folder`, by name. */
function namedAdapters(flags: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    flags.map((flag) => {
      const at = flag.indexOf('=');
      if (at > 0 && at < flag.length - 1) return [flag.slice(0, at), resolve(flag.slice(at + 1))];
      throw new TunesmithError('CONFIG_INVALID', 'an adapter of a file of prompts needs a name', {
        where: `--adapter ${flag}`,
        expected: '--adapter name=folder',
      });
    }),
  );
}

async function readPrompts(path: string): Promise<PromptRow[]> {
  const rows: PromptRow[] = [];
  for await (const { value, row } of readRows(path)) {
    const { prompt, adapter = null, ...rest } = value;
    const names: unknown[] = Array.isArray(adapter) ? adapter : [adapter ?? ''];
    const isRow = typeof prompt === 'string' && prompt !== '' && names.every((name) => typeof name === 'string');
    if (!isRow || Object.keys(rest).length > 0) {
      throw new TunesmithError('DATA_INVALID', 'a prompt is not understood', {
        where: `${path}, row ${row}`,
        expected: '{ prompt, adapter }: adapter a name, a list of names, or null for the model alone',
        got: JSON.stringify(value),
      });
    }
    rows.push({ prompt, adapter: adapter as PromptRow['adapter'] });
  }
  if (rows.length === 0) throw new TunesmithError('DATA_INVALID', 'there is no prompt', { where: path });
  return rows;
}
