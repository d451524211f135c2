import { type AdapterPool, createTokenGenerator, type GenerateOptions, TunesmithError } from '@tunesmith/core';
import { encodePrompt } from '@tunesmith/data';
import type { LoadedModel } from './load-model.js';

export interface GenerateTextOptions extends Omit<GenerateOptions, 'stop'> {
  /** Texts that end the answer; they are no part of it. */
  readonly stop?: readonly string[];
}

/** A part of an answer as it comes. */
export interface TextPiece {
  /** Final text; empty while a character, or what may become a stop text, is incomplete. */
  readonly text: string;
  /** The tokens that it brought, the end token included. */
  readonly tokens: readonly number[];
  /** Why it is the last: an end token, a stop text, or a limit of length. */
  readonly end: 'eos' | 'stop' | 'length' | null;
}

/** A part of the answer to one of several prompts. */
export interface BatchPiece extends TextPiece {
  /** The prompt's index. */
  readonly prompt: number;
}

export interface TextGenerator {
  /** Continues a prompt, which is the text that the model sees: a chat template renders it first. */
  generate(prompt: string, options?: GenerateTextOptions): AsyncGenerator<TextPiece, void, void>;
  /** Continues prompts of any lengths together; each may have adapters of its own. */
  generateBatch(prompts: readonly string[], options?: GenerateTextOptions): AsyncGenerator<BatchPiece, void, void>;
  /** Frees the compiled programs. */
  dispose(): Promise<void>;
}

/** Text in, text out, over a loaded model, with the adapters of a pool where it has one. */
export function createTextGenerator(loaded: LoadedModel & { readonly pool?: AdapterPool }): TextGenerator {
  const { model, parameters, backend, tokenizer, pool } = loaded;
  const { task } = model.head;
  if (task !== 'causal-lm' && task !== 'seq2seq-lm') {
    throw new TunesmithError('CAPABILITY_MISSING', `this model is one for ${task}, which writes no text`, {
      where: loaded.path,
      expected: 'a language model',
      hint: task.endsWith('-classification') ? 'Classify texts with `tunesmith classify`.' : 'Is this an encoder?',
    });
  }
  const generator = createTokenGenerator({
    ...{ model, parameters, backend },
    ...(pool && { adapters: pool }),
    eosTokens: tokenizer.endIds,
    padToken: tokenizer.padId,
  });

  async function* generateBatch(
    prompts: readonly string[],
    { stop = [], ...options }: GenerateTextOptions = {},
  ): AsyncGenerator<BatchPiece, void, void> {
    const rows = prompts.map((prompt) => {
      // An encoder reads a text that is over, and an answer to it is a text of its own.
      const isRead = model.shape.answerStart !== undefined;
      const ids = isRead ? tokenizer.encode(prompt) : encodePrompt(tokenizer, prompt);
      return {
        ids,
        stream: tokenizer.createTextStream({ context: isRead ? [] : ids }),
        watch: createStopWatch(stop),
        stopped: false,
        piece: '',
      };
    });
    // Asked for every token before it is yielded, so that the text is decoded here, once.
    const onToken = (tokens: readonly number[], index: number): boolean => {
      const row = rows[index] as (typeof rows)[number];
      Object.assign(row, row.watch.push(row.stream.push(tokens.at(-1) as number)));
      return row.stopped;
    };
    const ids = rows.map((row) => row.ids);
    for await (const { row: prompt, token, end } of generator.generate(ids, { ...options, stop: onToken })) {
      const row = rows[prompt] as (typeof rows)[number];
      const { watch, stream } = row;
      if (end === 'eos') row.piece = watch.push(stream.push(token)).piece;
      const rest = end !== null && !row.stopped ? watch.push(stream.end()).piece + watch.end() : '';
      yield { prompt, text: row.piece + rest, tokens: [token], end };
      row.piece = '';
    }
  }

  return {
    async *generate(prompt, options) {
      for await (const { prompt: _, ...piece } of generateBatch([prompt], options)) yield piece;
    },
    generateBatch,
    dispose: () => generator.dispose(),
  };
}

/** Passes text on until a stop text appears, holding back what may become one. */
export function createStopWatch(stops: readonly string[]): {
  push(text: string): { readonly piece: string; readonly stopped: boolean };
  end(): string;
} {
  let held = '';
  let stopped = false;
  return {
    push(text) {
      if (stopped) return { piece: '', stopped };
      held += text;
      const found = stops.map((stop) => held.indexOf(stop)).filter((index) => index >= 0);
      stopped = found.length > 0;
      const safe = stopped ? Math.min(...found) : held.length - longestStart(held, stops);
      const piece = held.slice(0, safe);
      held = stopped ? '' : held.slice(safe);
      return { piece, stopped };
    },
    end() {
      const piece = held;
      held = '';
      return piece;
    },
  };
}

/** Length of the longest end of a text that a stop text begins with. */
function longestStart(text: string, stops: readonly string[]): number {
  for (let length = Math.max(0, ...stops.map((stop) => stop.length - 1)); length > 0; length--) {
    const end = text.slice(-length);
    if (end.length === length && stops.some((stop) => stop.startsWith(end))) return length;
  }
  return 0;
}
