/** A word as a list of token ids, with how often it occurs. */
interface CountedWord {
  ids: number[];
  readonly count: number;
}

export interface BytePairs {
  /** Tokens in the order of their ids: the 256 bytes, then one for each merge. */
  readonly tokens: readonly string[];
  readonly merges: readonly (readonly [string, string])[];
}

/** GPT-2's byte-to-character table: printable Latin-1 stands for itself, the other bytes for U+0100 onwards. */
export const byteCharacters: readonly string[] = (() => {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

/** GPT-2's pattern, after single digits are set apart, as a tokenizer.json with Digits and ByteLevel splits. */
const wordPattern = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

function splitWords(text: string): string[] {
  return text.split(/(\p{N})/u).flatMap((part) => (/^\p{N}$/u.test(part) ? [part] : (part.match(wordPattern) ?? [])));
}

/**
 * Trains byte-level BPE (Sennrich et al. 2016; Radford et al. 2019): starts from the 256 bytes and joins the most frequent
 * pair, the lower ids winning a tie, until there are `size` tokens.
 */
export function trainBytePairs(texts: Iterable<string>, size: number): BytePairs {
  const words = countWords(texts);
  const tokens = [...byteCharacters];
  const merges: [string, string][] = [];
  const counts = new Map<number, number>();
  const holders = new Map<number, Set<CountedWord>>();
  const pairKey = (left: number, right: number): number => left * size + right;

  const tally = (word: CountedWord, sign: 1 | -1): void => {
    for (let index = 1; index < word.ids.length; index++) {
      const key = pairKey(word.ids[index - 1] as number, word.ids[index] as number);
      counts.set(key, (counts.get(key) ?? 0) + sign * word.count);
      if (sign === -1) continue;
      const holding = holders.get(key) ?? new Set();
      holders.set(key, holding.add(word));
    }
  };
  for (const word of words) tally(word, 1);

  while (tokens.length < size) {
    let best = -1;
    let most = 0;
    for (const [key, count] of counts) if (count > most || (count === most && key < best)) [best, most] = [key, count];
    if (most < 2) throw new Error(`the texts hold only ${tokens.length} tokens`);
    const [left, right] = [Math.floor(best / size), best % size];
    const joined = tokens.push(`${tokens[left]}${tokens[right]}`) - 1;
    merges.push([tokens[left] as string, tokens[right] as string]);
    for (const word of holders.get(best) ?? []) {
      tally(word, -1);
      word.ids = joinPair(word.ids, left, right, joined);
      tally(word, 1);
    }
    counts.delete(best);
    holders.delete(best);
  }
  return { tokens, merges };
}

function countWords(texts: Iterable<string>): CountedWord[] {
  const counts = new Map<string, number>();
  for (const text of texts) for (const word of splitWords(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => ({ ids: [...Buffer.from(word)], count }));
}

function joinPair(ids: readonly number[], left: number, right: number, joined: number): number[] {
  const result: number[] = [];
  for (let index = 0; index < ids.length; index++) {
    const isPair = ids[index] === left && ids[index + 1] === right;
    result.push(isPair ? joined : (ids[index] as number));
    if (isPair) index++;
  }
  return result;
}
