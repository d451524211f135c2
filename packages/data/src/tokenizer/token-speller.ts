import type { Tokenizer } from './tokenizer.js';
import type { JsonObject } from './tokenizer-files.js';

/**
 * What each token spells, as UTF-8: of vocabularies of bytes those (GPT-2, Llama 3, Qwen), of pieces their letters, without the marks of a word's
 * beginning, inside or end (`▁`, `##`, `</w>`), and of `<0x0A>` and the like the byte.
 */
export function tokenSpeller({ files, idToToken }: Pick<Tokenizer, 'files' | 'idToToken'>): (id: number) => Uint8Array {
  const { model, decoder, pre_tokenizer: preTokenizer } = files.tokenizerJson as Record<string, JsonObject | null>;
  const { continuing_subword_prefix: inside, end_of_word_suffix: ending, byte_fallback: byteFallback } = model ?? {};
  const prefix = model?.type === 'WordPiece' ? String(inside ?? '##') : '';
  const suffix = typeof ending === 'string' ? ending : '';
  const isOfBytes = [decoder, preTokenizer].some((part) => usesBytes(part));
  const encoder = new TextEncoder();
  return (id) => {
    const token = idToToken(id) ?? '';
    if (isOfBytes)
      return Uint8Array.from([...token].flatMap((character) => byteOf(character) ?? [...encoder.encode(character)]));
    const byte = byteFallback === true ? /^<0x([0-9A-F]{2})>$/.exec(token) : null;
    if (byte !== null) return Uint8Array.of(Number.parseInt(byte[1] as string, 16));
    const bare = prefix !== '' && token.startsWith(prefix) ? token.slice(prefix.length) : token;
    const whole = suffix !== '' && bare.endsWith(suffix) ? bare.slice(0, -suffix.length) : bare;
    return encoder.encode(whole.replaceAll('▁', ' '));
  };
}

function usesBytes(part: JsonObject | null | undefined): boolean {
  const {
    type,
    decoders = [],
    pretokenizers = [],
  } = (part ?? {}) as {
    type?: unknown;
    decoders?: JsonObject[];
    pretokenizers?: JsonObject[];
  };
  return type === 'ByteLevel' || [...decoders, ...pretokenizers].some(usesBytes);
}

/** GPT-2's characters for bytes: those that are printed stand for themselves, the others follow from 256 on (gpt-2/src/encoder.py). */
const bytes = new Map<string, number>();
for (let byte = 0, next = 256; byte < 256; byte++) {
  const isPrinted = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  bytes.set(String.fromCharCode(isPrinted ? byte : next++), byte);
}

function byteOf(character: string): number | undefined {
  return bytes.get(character);
}
