import { tokenSpeller } from './token-speller.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * Where in a text each of its tokens begins and ends, `[tokens, 2]`, in UTF-16 code units, white space left out: the offsets of
 * huggingface/tokenizers, which its JavaScript port does not keep. What the tokens spell is laid beside the text letter by letter; case,
 * accents, compatible forms and white space may differ, as normalisers change them. A token that spells nothing of the text, such as a space
 * by itself, begins and ends where the one before it ended.
 */
export function tokenSpans(tokenizer: Tokenizer, text: string, ids: readonly number[]): Int32Array {
  const { letters, ranges } = spelled(tokenizer, ids);
  const places = aligned(letters, lettersOf(text));
  const spans = new Int32Array(2 * ids.length);
  let last = 0;
  for (const [index, [from, to]] of ranges.entries()) {
    const own = places.slice(from, to).filter((place) => place !== null);
    const start = own[0]?.start ?? last;
    last = own.at(-1)?.end ?? last;
    spans.set([start, last], 2 * index);
  }
  return spans;
}

/** Where a letter stands. */
interface Place {
  readonly start: number;
  readonly end: number;
}

/** A letter of a text, folded. */
interface Letter extends Place {
  readonly folded: string;
}

/** What stands for a word that the vocabulary lacks. */
const unknown = '\uFFFC';

/** The letters that tokens spell, folded, and for each token which of them it has a part of: of one of several bytes, several tokens may. */
function spelled(tokenizer: Tokenizer, ids: readonly number[]): { letters: string[]; ranges: [number, number][] } {
  const spell = tokenSpeller(tokenizer);
  const unknownBytes = new TextEncoder().encode(unknown);
  const bytes: number[] = [];
  const ends = ids.map((id) => bytes.push(...(id === tokenizer.unkId ? unknownBytes : spell(id))));
  const letters: string[] = [];
  /** Of each byte, the letters of the character that it is of. */
  const lettersAt: [number, number][] = [];
  const decoder = new TextDecoder();
  for (let at = 0; at < bytes.length; ) {
    const size = sizeOf(bytes, at);
    const from = letters.length;
    letters.push(...fold(decoder.decode(Uint8Array.from(bytes.slice(at, at + size)))));
    for (let byte = 0; byte < size; byte++) lettersAt.push([from, letters.length]);
    at += size;
  }
  const ranges = ends.map((end, index): [number, number] => {
    const start = ends[index - 1] ?? 0;
    return end === start ? [0, 0] : [lettersAt[start]?.[0] as number, lettersAt[end - 1]?.[1] as number];
  });
  return { letters, ranges };
}

/** Bytes of the character at a place; 1 where they are none. */
function sizeOf(bytes: readonly number[], at: number): number {
  const first = bytes[at] as number;
  const size = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const rest = bytes.slice(at + 1, at + size);
  return rest.length === size - 1 && rest.every((byte) => (byte & 0xc0) === 0x80) ? size : 1;
}

function lettersOf(text: string): Letter[] {
  const letters: Letter[] = [];
  let start = 0;
  for (const character of text) {
    const end = start + character.length;
    for (const folded of fold(character)) letters.push({ folded, start, end });
    start = end;
  }
  return letters;
}

/** A character's letters without case, composition and white space. */
function fold(character: string): string[] {
  return [
    ...character
      .normalize('NFKD')
      .toLowerCase()
      .replace(/[\s\p{Cc}\p{Cf}]/gu, ''),
  ];
}

const isMark = (letter: string): boolean => /\p{M}/u.test(letter);
/** As BERT parts words: white space, punctuation and Chinese characters end one (huggingface/tokenizers, BertPreTokenizer and BertNormalizer). */
const isOfWord = (letter: string): boolean => !/[\p{P}\p{Script=Han}!-/:-@[-`{-~]/u.test(letter);

/** How far ahead a letter is looked for that is not the next one, as after a character that the vocabulary lacks. */
const reach = 64;

/** Where in the text each spelled letter stands; null for one that is not found there. */
function aligned(spelledLetters: readonly string[], text: readonly Letter[]): (Place | null)[] {
  let at = 0;
  let last: { start: number; end: number } | null = null;
  return spelledLetters.map((letter, index): Place | null => {
    // Accents that a normaliser took away belong to the letter before.
    while (last !== null && at < text.length && isMark((text[at] as Letter).folded) && letter !== text[at]?.folded) {
      last.end = (text[at++] as Letter).end;
    }
    if (letter === unknown) {
      last = wordAt(text, at);
      while (at < text.length && last !== null && (text[at] as Letter).end <= last.end) at += 1;
      return last;
    }
    const found = findFrom(text, at, spelledLetters, index);
    if (found < 0) return null;
    at = found + 1;
    const { start, end } = text[found] as Letter;
    last = { start, end };
    return last;
  });
}

/** The next place of a letter, and of those that follow it unless it is the very next. */
function findFrom(text: readonly Letter[], at: number, letters: readonly string[], index: number): number {
  if (text[at]?.folded === letters[index]) return at;
  const following = letters.slice(index, index + 3);
  for (let place = at + 1; place < Math.min(text.length, at + reach); place++) {
    const isHere = following.every(
      (letter, offset) =>
        letter === unknown || text[place + offset] === undefined || text[place + offset]?.folded === letter,
    );
    if (isHere) return place;
  }
  return -1;
}

/** The word at a place, or the sign. */
function wordAt(text: readonly Letter[], at: number): { start: number; end: number } | null {
  const first = text[at];
  if (first === undefined) return null;
  let { end } = first;
  for (let place = at + 1; isOfWord(first.folded) && place < text.length; place++) {
    const next = text[place] as Letter;
    if (next.start > end || !isOfWord(next.folded)) break;
    end = next.end;
  }
  return { start: first.start, end };
}
