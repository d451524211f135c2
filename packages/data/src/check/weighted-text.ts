import type { Row } from '@tunesmith/core';
import type { Tokenizer } from '../tokenizer/tokenizer.js';

/** A stretch of a row's text whose tokens weigh the same. */
export interface WeightedText {
  readonly text: string;
  readonly weight: number;
}

/**
 * A row as it is trained: its text, cut where the loss weight changes; the texts together are the whole. What an encoder reads
 * comes first.
 */
export function weightedText({ source, ...answer }: Row, tokenizer: Tokenizer): WeightedText[] {
  const read = source === undefined ? [] : [{ text: tokenizer.decode(source), weight: 0 }];
  return [...read, ...spansOf(answer, tokenizer)];
}

function spansOf({ tokens, weights }: Row, tokenizer: Tokenizer): WeightedText[] {
  const stream = tokenizer.createTextStream({ skipSpecialTokens: false });
  const spans: { text: string; weight: number }[] = [];
  for (const [index, id] of tokens.entries()) {
    const weight = weights[index] as number;
    if (spans.at(-1)?.weight !== weight) spans.push({ text: '', weight });
    (spans.at(-1) as { text: string }).text += stream.push(id);
  }
  if (spans.length > 0) (spans.at(-1) as { text: string }).text += stream.end();
  return spans;
}
