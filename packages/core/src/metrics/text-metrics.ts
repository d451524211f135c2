import { TunesmithError } from '../errors/tunesmith-error.js';

/** The share of texts that equal their reference, white space around them aside. */
export function exactMatch(texts: readonly string[], references: readonly string[]): number {
  return meanOver(texts, references, (text, reference) => (text.trim() === reference.trim() ? 1 : 0));
}

/**
 * ROUGE-L: the mean of F = 2PR / (P + R) over all texts, with P and R the shares of text and reference that their longest common
 * subsequence of words makes up (Lin 2004, section 3.1). Words are runs of a–z and 0–9 in lower case, unstemmed: the values of
 * Google's rouge-score by default.
 */
export function rougeL(texts: readonly string[], references: readonly string[]): number {
  return meanOver(texts, references, (text, reference) => {
    const [own, wanted] = [plainWords(text), plainWords(reference)];
    const common = longestCommonSubsequence(own, wanted);
    return common === 0 ? 0 : (2 * common) / (own.length + wanted.length);
  });
}

const longestGram = 4;

/**
 * BLEU of a corpus, 0 to 100: the brevity penalty times the geometric mean of the clipped shares of n-grams up to 4 that the
 * references hold (Papineni et al. 2002). Case counts, tokens are mteval-v13a's, and of grams of which there is none the n-th
 * counts as 2⁻ⁿ of one: the values of sacrebleu by default (sacrebleu/metrics/bleu.py, Post 2018).
 */
export function bleu(texts: readonly string[], references: readonly string[]): number {
  const [matched, all] = [new Array<number>(longestGram).fill(0), new Array<number>(longestGram).fill(0)];
  let [length, wantedLength] = [0, 0];
  eachPair(texts, references, (text, reference) => {
    const [own, wanted] = [mtevalTokens(text), mtevalTokens(reference)];
    length += own.length;
    wantedLength += wanted.length;
    for (let order = 1; order <= longestGram; order++) {
      const wantedGrams = gramsOf(wanted, order);
      for (const [gram, count] of gramsOf(own, order)) {
        matched[order - 1] = (matched[order - 1] as number) + Math.min(count, wantedGrams.get(gram) ?? 0);
        all[order - 1] = (all[order - 1] as number) + count;
      }
    }
  });
  if (matched.every((count) => count === 0) || all.some((count) => count === 0)) return 0;
  let smoothing = 1;
  const logs = matched.map((count, index) => {
    if (count === 0) smoothing *= 2;
    return Math.log((count === 0 ? 1 / smoothing : count) / (all[index] as number));
  });
  const brevity = length < wantedLength ? Math.exp(1 - wantedLength / length) : 1;
  return 100 * brevity * Math.exp(logs.reduce((sum, each) => sum + each, 0) / longestGram);
}

function plainWords(text: string): string[] {
  return text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}

const entities: readonly [string, string][] = [
  ['&quot;', '"'],
  ['&amp;', '&'],
  ['&lt;', '<'],
  ['&gt;', '>'],
];

/** mteval-v13a's tokens: punctuation stands by itself, but for full stops, commas and dashes within numbers. */
function mtevalTokens(line: string): string[] {
  const joined = line.replaceAll('<skipped>', '').replaceAll('-\n', '').replaceAll('\n', ' ');
  const plain = entities.reduce((text, [entity, character]) => text.replaceAll(entity, character), joined);
  return ` ${plain} `
    .replace(/([{-~[-` -&(-+:-@/])/g, ' $1 ')
    .replace(/([^0-9])([.,])/g, '$1 $2 ')
    .replace(/([.,])([^0-9])/g, ' $1 $2')
    .replace(/([0-9])(-)/g, '$1 $2 ')
    .split(/\s+/)
    .filter((token) => token !== '');
}

function gramsOf(tokens: readonly string[], order: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let start = 0; start + order <= tokens.length; start++) {
    const gram = tokens.slice(start, start + order).join(' ');
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

function longestCommonSubsequence(first: readonly string[], second: readonly string[]): number {
  let above = new Array<number>(second.length + 1).fill(0);
  for (const word of first) {
    const row = [0];
    for (const [index, other] of second.entries()) {
      const before = row[index] as number;
      row.push(word === other ? (above[index] as number) + 1 : Math.max(before, above[index + 1] as number));
    }
    above = row;
  }
  return above[second.length] as number;
}

function meanOver(
  texts: readonly string[],
  references: readonly string[],
  of: (text: string, reference: string) => number,
): number {
  let sum = 0;
  eachPair(texts, references, (text, reference) => {
    sum += of(text, reference);
  });
  return sum / texts.length;
}

function eachPair(
  texts: readonly string[],
  references: readonly string[],
  visit: (text: string, reference: string) => void,
): void {
  if (texts.length !== references.length || texts.length === 0) {
    throw new TunesmithError('DATA_INVALID', 'texts are measured against a reference each', {
      expected: `${texts.length} references, and one at least`,
      got: String(references.length),
    });
  }
  for (const [index, text] of texts.entries()) visit(text, references[index] as string);
}
