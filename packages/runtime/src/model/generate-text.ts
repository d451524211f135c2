import { createTokenGenerator, type GenerateOptions } from '@tunesmith/core';
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

export interface TextGenerator {
  /** Continues a prompt, which is the text that the model sees: a chat template renders it first. */
  generate(prompt: string, options?: GenerateTextOptions): AsyncGenerator<TextPiece, void, void>;
  /** Frees the compiled programs. */
  dispose(): Promise<void>;
}

/** Text in, text out, over a loaded model. */
export function createTextGenerator({ model, parameters, backend, tokenizer }: LoadedModel): TextGenerator {
  const generator = createTokenGenerator({
    ...{ model, parameters, backend },
    eosTokens: tokenizer.endIds,
    padToken: tokenizer.padId,
  });
  return {
    async *generate(prompt, { stop = [], ...options } = {}) {
      const ids = encodePrompt(tokenizer, prompt);
      const stream = tokenizer.createTextStream({ context: ids });
      const watch = createStopWatch(stop);
      let stopped = false;
      let piece = '';
      // Asked for every token before it is yielded, so that the text is decoded here, once.
      const onToken = (tokens: readonly number[]): boolean => {
        ({ piece, stopped } = watch.push(stream.push(tokens.at(-1) as number)));
        return stopped;
      };
      for await (const { token, end } of generator.generate([ids], { ...options, stop: onToken })) {
        if (end === 'eos') piece = watch.push(stream.push(token)).piece;
        const rest = end !== null && !stopped ? watch.push(stream.end()).piece + watch.end() : '';
        yield { text: piece + rest, tokens: [token], end };
        piece = '';
      }
    },
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
