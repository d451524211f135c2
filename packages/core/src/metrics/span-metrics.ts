/** Labelled words in a row: which of a sentence's words they are, and what they are called together. */
export interface Span {
  readonly type: string;
  /** The first word, and the one behind the last. */
  readonly start: number;
  readonly end: number;
}

/** Whether tags speak of spans: `B-PER` begins one. */
export function haveSpans(tags: readonly string[]): boolean {
  return tags.some((tag) => /^[BS]-./.test(tag));
}

/**
 * The spans that tags mark, in the schemes IOB and IOBES as seqeval reads them by default, after the CoNLL-2000 evaluation script: a
 * span begins at `B-` and `S-`, and where a tag goes on with what was not there before it; it ends before the next, and at `E-` and `S-`.
 */
export function spansOf(tags: readonly string[]): Span[] {
  const spans: Span[] = [];
  let [previous, open]: [Tag, number] = [outside, 0];
  const close = (end: number): void => {
    if (previous.type !== null) spans.push({ type: previous.type, start: open, end });
  };
  for (const [index, text] of tags.entries()) {
    const tag = tagOf(text);
    const isNew = /[BS]/.test(tag.prefix) || /[ES]/.test(previous.prefix) || tag.type !== previous.type;
    if (isNew) {
      close(index);
      open = index;
    }
    previous = tag;
  }
  close(tags.length);
  return spans;
}

/**
 * Precision, recall and F₁ of spans over all sentences together: one is right where another with its type, beginning and end is
 * there (`average="micro"` of seqeval, which is what CoNLL reports). 0 where there are none.
 */
export function spanScores(
  predicted: readonly (readonly string[])[],
  actual: readonly (readonly string[])[],
): { precision: number; recall: number; f1: number } {
  let [said, there, right] = [0, 0, 0];
  for (const [index, tags] of actual.entries()) {
    const [of, is] = [predicted[index] ?? [], tags].map((each) => new Set(spansOf(each).map(nameOf)));
    said += of?.size ?? 0;
    there += is?.size ?? 0;
    for (const span of of ?? []) if (is?.has(span)) right++;
  }
  const share = (of: number): number => (of === 0 ? 0 : right / of);
  return { precision: share(said), recall: share(there), f1: said + there === 0 ? 0 : (2 * right) / (said + there) };
}

interface Tag {
  readonly prefix: string;
  /** Null outside all spans. */
  readonly type: string | null;
}

const outside: Tag = { prefix: 'O', type: null };

function tagOf(text: string): Tag {
  const [, prefix, type] = /^([BIES])-(.+)$/.exec(text) ?? [];
  return prefix === undefined || type === undefined ? outside : { prefix, type };
}

function nameOf({ type, start, end }: Span): string {
  return `${start} ${end} ${type}`;
}
