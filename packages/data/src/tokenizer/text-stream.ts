/** Turns the ids of a text that is being generated into pieces of text whose concatenation never has to be revised. */
export interface TextStream {
  /** The text that has become final with these ids; empty while a character is incomplete. */
  push(...ids: number[]): string;
  /** What was still held back, an incomplete character as U+FFFD. */
  end(): string;
}

const replacement = '\uFFFD';

/**
 * A stream over any `decode`.
 *
 * Decoders look at neighbours (a leading space is dropped, bytes join into a character), so ids are decoded in a window
 * that starts with ids already emitted, and only what follows those is new. One final U+FFFD may be the beginning of a
 * character whose other bytes are still to come, and is held back; everything before it is final, because a UTF-8 decoder
 * puts one U+FFFD for one incomplete character at the end.
 */
export function createTextStream(decode: (ids: number[]) => string, context: readonly number[] = []): TextStream {
  const settle = (text: string) => (text.endsWith(replacement) ? text.slice(0, -replacement.length) : text);
  let window = [...context];
  let emitted = settle(decode(window));

  return {
    push(...ids) {
      window.push(...ids);
      const text = decode(window);
      const settled = settle(text);
      const piece = settled.slice(emitted.length);
      if (piece === '') return '';
      if (settled === text) {
        window = ids;
        emitted = decode(window);
      } else {
        emitted = settled;
      }
      return piece;
    },
    end() {
      const piece = decode(window).slice(emitted.length);
      window = [];
      emitted = '';
      return piece;
    },
  };
}
