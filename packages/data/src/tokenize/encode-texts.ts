import { TunesmithError } from '@tunesmith/core';
import type { TemplatePart } from '../tokenizer/text-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';

/** A text or a pair as a model reads it. */
export interface EncodedTexts {
  readonly tokens: Int32Array;
  /** Absent where all are 0. */
  readonly tokenTypes?: Int32Array;
  /** Tokens before anything was cut, and how many were. */
  readonly length: number;
  readonly dropped: number;
}

/** What was written of texts that are ids already. */
export interface EncodedIds extends EncodedTexts {
  /** Where the first text begins, and how many of its tokens are left. */
  readonly start: number;
  readonly kept: number;
}

/**
 * Writes a text or a pair in the tokenizer's template, in at most `maxLength` tokens: of what is too long the end is cut,
 * of a pair the longer text's first, as `longest_first` of transformers has it.
 */
export function encodeTexts(tokenizer: Tokenizer, texts: readonly string[], maxLength: number): EncodedTexts {
  const encoded = texts.map((text) => tokenizer.encode(text, { addSpecialTokens: false }));
  const { start: _, kept: __, ...written } = encodeIds(tokenizer, encoded, maxLength);
  return written;
}

/** The same of texts whose tokens are known. */
export function encodeIds(
  tokenizer: Tokenizer,
  encoded: readonly (readonly number[])[],
  maxLength: number,
): EncodedIds {
  const parts = encoded.length > 1 ? tokenizer.templates.pair : tokenizer.templates.single;
  const room = maxLength - fixedLength(parts);
  const lengths = fittingLengths(
    encoded.map((ids) => ids.length),
    requireRoom(room, encoded.length, maxLength),
  );
  const all = encoded.reduce((sum, ids) => sum + ids.length, 0);
  const kept = encoded.map((ids, index) => ids.slice(0, lengths[index]));
  return {
    ...fill(parts, kept),
    length: all + fixedLength(parts),
    dropped: all - lengths.reduce((sum, one) => sum + one),
    start: fixedLength(
      parts.slice(
        0,
        parts.findIndex((part) => 'text' in part),
      ),
    ),
    kept: lengths[0] as number,
  };
}

/** A pair of which the first text is whole and the second a part. */
export interface EncodedPart extends Pick<EncodedTexts, 'tokens' | 'tokenTypes'> {
  /** Where the part begins among the tokens, and which of the second text's tokens it holds. */
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Writes a pair of texts as pairs of at most `maxLength` tokens: each has the first whole and a part of the second, which shares `overlap`
 * tokens with its neighbours, or half of a part if that is less. None where the first leaves no room.
 */
export function encodeParts(
  tokenizer: Tokenizer,
  [first, second]: readonly [readonly number[], readonly number[]],
  { maxLength, overlap }: { readonly maxLength: number; readonly overlap: number },
): EncodedPart[] {
  const { pair } = tokenizer.templates;
  const room = maxLength - fixedLength(pair) - first.length;
  if (room < 1) return [];
  const before = pair.slice(
    0,
    pair.findIndex((part) => 'text' in part && part.text === 1),
  );
  const at = fixedLength(before) + first.length;
  const step = room - Math.min(overlap, Math.floor(room / 2));
  const parts = Math.max(1, Math.ceil((second.length - room) / step) + 1);
  return Array.from({ length: parts }, (_, part) => {
    const [from, to] = [part * step, Math.min(second.length, part * step + room)];
    return { ...fill(pair, [first, second.slice(from, to)]), at, from, to };
  });
}

/** Writes a text of any length as texts of at most `maxLength` tokens each, one going on where the last ended. */
export function encodeLongText(tokenizer: Tokenizer, text: string, maxLength: number): EncodedTexts[] {
  const { single } = tokenizer.templates;
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  const room = requireRoom(maxLength - fixedLength(single), 1, maxLength);
  const pieces = Math.max(1, Math.ceil(ids.length / room));
  return Array.from({ length: pieces }, (_, piece) => {
    const kept = ids.slice(piece * room, (piece + 1) * room);
    return { ...fill(single, [kept]), length: kept.length + fixedLength(single), dropped: 0 };
  });
}

/** The parts with their texts put in. */
function fill(
  parts: readonly TemplatePart[],
  texts: readonly (readonly number[])[],
): Pick<EncodedTexts, 'tokens' | 'tokenTypes'> {
  const filled = parts.map((part) => ({ ids: 'ids' in part ? part.ids : (texts[part.text] ?? []), type: part.type }));
  const tokens = Int32Array.from(filled.flatMap(({ ids }) => ids));
  const types = Int32Array.from(filled.flatMap(({ ids, type }) => ids.map(() => type)));
  return types.some((type) => type !== 0) ? { tokens, tokenTypes: types } : { tokens };
}

/** How much of each text is kept: the shorter one whole if it takes no more than half. */
function fittingLengths(lengths: readonly number[], room: number): readonly number[] {
  if (lengths.reduce((sum, length) => sum + length, 0) <= room) return lengths;
  const [first = 0, second] = lengths;
  if (second === undefined) return [room];
  const half = Math.floor(room / 2);
  if (first <= second) return first <= half ? [first, room - first] : [half, room - half];
  return second <= half ? [room - second, second] : [room - half, half];
}

function fixedLength(parts: readonly TemplatePart[]): number {
  return parts.reduce((sum, part) => sum + ('ids' in part ? part.ids.length : 0), 0);
}

function requireRoom(room: number, texts: number, maxLength: number): number {
  if (room >= texts) return room;
  throw new TunesmithError('CONFIG_INVALID', 'the special tokens leave no room for a text', {
    where: 'maxLength',
    expected: `at least ${maxLength - room + texts}`,
    got: String(maxLength),
  });
}
