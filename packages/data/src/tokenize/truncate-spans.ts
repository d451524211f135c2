import type { TokenSpan } from './encode-spans.js';

export interface Truncated {
  readonly spans: readonly TokenSpan[];
  readonly promptTokensDropped: number;
  readonly answerTokensDropped: number;
}

/**
 * Shortens an example to `maxLength` tokens, giving up what matters least first:
 *
 * 1. whole earlier turns, the oldest first (their answers are counted as dropped);
 * 2. the left of the last prompt, down to a quarter of `maxLength`, so that an answer never stands without its question;
 * 3. the system message, where that is not enough;
 * 4. the end of the answer, with its end token, so that the model does not learn to stop in mid-sentence.
 *
 * What the tokenizer puts before every text is always kept.
 */
export function truncateSpans(spans: readonly TokenSpan[], maxLength: number): Truncated {
  let excess = lengthOf(spans) - maxLength;
  if (excess <= 0) return { spans, promptTokensDropped: 0, answerTokensDropped: 0 };

  const prefix = spans.filter(({ kind }) => kind === 'prefix');
  let head = spans.filter(({ kind }) => kind === 'head');
  const turns = splitTurns(spans.filter(({ kind }) => kind === 'prompt' || kind === 'answer'));
  while (excess > 0 && turns.length > 1) excess -= lengthOf(turns.shift() as TokenSpan[]);
  let last = turns.flat();

  const promptLength = lengthOf(last.filter(({ kind }) => kind === 'prompt'));
  const spare = Math.max(0, promptLength - Math.floor(maxLength / 4));
  if (excess > spare) {
    excess -= lengthOf(head);
    head = [];
  }
  if (excess > 0) {
    const cut = Math.min(excess, spare);
    last = dropRight(dropLeft(last, 'prompt', cut), excess - cut);
  }

  const kept = [...prefix, ...head, ...last];
  const dropped = (wanted: (span: TokenSpan) => boolean) =>
    lengthOf(spans.filter(wanted)) - lengthOf(kept.filter(wanted));
  return {
    spans: kept,
    promptTokensDropped: dropped(({ kind }) => kind !== 'answer'),
    answerTokensDropped: dropped(({ kind }) => kind === 'answer'),
  };
}

export function lengthOf(spans: readonly TokenSpan[]): number {
  return spans.reduce((sum, { ids }) => sum + ids.length, 0);
}

/** A turn is a prompt and its answer; what follows the last answer belongs to its turn. */
function splitTurns(spans: readonly TokenSpan[]): TokenSpan[][] {
  const turns: TokenSpan[][] = [[]];
  const last = spans.findLastIndex(({ kind }) => kind === 'answer');
  for (const [index, span] of spans.entries()) {
    (turns.at(-1) as TokenSpan[]).push(span);
    if (span.kind === 'answer' && index < last) turns.push([]);
  }
  return turns;
}

function dropLeft(spans: readonly TokenSpan[], wanted: TokenSpan['kind'], count: number): TokenSpan[] {
  let left = count;
  return spans.map(({ kind, ids }) => {
    const cut = kind === wanted ? Math.min(left, ids.length) : 0;
    left -= cut;
    return { kind, ids: ids.slice(cut) };
  });
}

/** The spans without their last tokens. */
export function dropRight(spans: readonly TokenSpan[], count: number): TokenSpan[] {
  let right = count;
  return spans
    .toReversed()
    .map(({ kind, ids }) => {
      const cut = Math.min(right, ids.length);
      right -= cut;
      return { kind, ids: ids.slice(0, ids.length - cut) };
    })
    .toReversed();
}
