/** How well vectors of anchors find the texts that they are alike. */
export interface RetrievalScores {
  /** Share of the anchors that are nearest to one of their own. */
  readonly accuracy: number;
  /** Mean over the anchors of 1 / rank of their nearest own, or 0 where that is not among the first. */
  readonly reciprocalRank: number;
}

export interface RetrievalOptions {
  /** How far down the rank is looked at; 10 if not said, as `mrr_at_k` of sentence-transformers' InformationRetrievalEvaluator. */
  readonly most?: number;
}

/**
 * Accuracy@1 and MRR@10 of anchors among all the texts of a split, the greater product of two vectors being the nearer. `texts` is where
 * each text is one of, `isOwn` which of them an anchor looks for. Of equal ones an anchor's own comes last, and what is no number is far, so that
 * vectors that are all the same find nothing.
 */
export function retrievalScores(
  anchors: readonly Float32Array[],
  texts: readonly Float32Array[],
  isOwn: (anchor: number, text: number) => boolean,
  { most = 10 }: RetrievalOptions = {},
): RetrievalScores {
  let [first, reciprocals] = [0, 0];
  for (const [index, anchor] of anchors.entries()) {
    const products = texts.map((text) => dot(anchor, text));
    const own = products.filter((_, text) => isOwn(index, text));
    const best = Math.max(...own);
    let rank = 1;
    for (const [text, product] of products.entries()) if (!(product < best) && !isOwn(index, text)) rank++;
    if (!(best > Number.NEGATIVE_INFINITY)) rank = Number.POSITIVE_INFINITY;
    if (rank === 1) first++;
    if (rank <= most) reciprocals += 1 / rank;
  }
  return { accuracy: first / anchors.length, reciprocalRank: reciprocals / anchors.length };
}

/** a·b, in double precision. */
function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] as number) * (b[index] as number);
  return sum;
}

/** a·b / (‖a‖·‖b‖). */
export function cosineSimilarity(a: Float32Array, b: Float32Array): number {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** A vector divided by its norm, or as it is where that is 0. */
export function unitVector(a: Float32Array): Float32Array {
  const norm = Math.sqrt(dot(a, a));
  return norm === 0 ? a : a.map((value) => value / norm);
}
