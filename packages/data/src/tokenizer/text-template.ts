/** A part of what a model reads: ids that are always there, or the place of a text; and the token type of each. */
export type TemplatePart =
  | { readonly ids: readonly number[]; readonly type: number }
  | { readonly text: 0 | 1; readonly type: number };

/** How a text, or a pair of them, is written for a model: `[CLS] a [SEP]` and `[CLS] a [SEP] b [SEP]` for BERT. */
export interface TextTemplates {
  readonly single: readonly TemplatePart[];
  readonly pair: readonly TemplatePart[];
}

/** Ids with their token types, as a post-processor gives them. */
export interface TypedIds {
  readonly ids: readonly number[];
  readonly types: readonly number[];
}

export interface TemplateProbe {
  /** The ids of two texts by themselves. */
  readonly first: readonly number[];
  readonly second: readonly number[];
  /** What the post-processor makes of both. */
  readonly both: TypedIds;
  /** What it puts around one. */
  readonly prefixIds: readonly number[];
  readonly suffixIds: readonly number[];
  /** Of an id that the post-processor puts there, whether it stays. */
  keeps(id: number): boolean;
}

/**
 * The templates of a tokenizer, found in what it makes of two short texts. A post-processor that forgets the second text
 * has no template for pairs: then one follows the other, as in the reference implementation (huggingface/tokenizers).
 */
export function findTemplates({ first, second, both, prefixIds, suffixIds, keeps }: TemplateProbe): TextTemplates {
  const before = { ids: prefixIds, type: 0 };
  const after = { ids: suffixIds, type: 0 };
  const single = [before, { text: 0 as const, type: 0 }, after];
  const { ids, types } = both;
  const a = indexOf(ids, first, 0);
  const b = a < 0 ? -1 : indexOf(ids, second, a + first.length);
  if (b < 0) return { single, pair: [before, { text: 0, type: 0 }, { text: 1, type: 0 }, after] };
  const type = (index: number): number => types[index] ?? 0;
  const fixed = (from: number, to: number): TemplatePart[] =>
    ids.slice(from, to).flatMap((id, offset) => (keeps(id) ? [{ ids: [id], type: type(from + offset) }] : []));
  return {
    single,
    pair: [
      before,
      { text: 0, type: type(a) },
      ...fixed(a + first.length, b),
      { text: 1, type: type(b) },
      ...fixed(b + second.length, ids.length),
    ],
  };
}

function indexOf(ids: readonly number[], part: readonly number[], from: number): number {
  for (let start = from; start + part.length <= ids.length; start++) {
    if (part.every((id, offset) => ids[start + offset] === id)) return start;
  }
  return -1;
}
