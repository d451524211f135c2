/**
 * The merges that a SentencePiece BPE vocabulary implies: every cut of a token into two tokens, the tokens of greater scores
 * first. Order as transformers has it (tokenization_utils_base.py, `generate_merges`).
 */
export function mergesOfScores(tokens: readonly string[], scores: readonly number[]): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: { left: string; right: string; score: number; lengths: [number, number] }[] = [];
  for (const [id, token] of tokens.entries()) {
    const characters = [...token];
    const cuts = characters
      .slice(1)
      .map((_, index) => [characters.slice(0, index + 1).join(''), characters.slice(index + 1).join('')] as const)
      .filter(([left, right]) => ids.has(left) && ids.has(right))
      .sort((a, b) => order(ids, a[0], b[0]) || order(ids, a[1], b[1]));
    for (const [left, right] of cuts) {
      merges.push({ left, right, score: scores[id] as number, lengths: [[...left].length, [...right].length] });
    }
  }
  return merges
    .sort((a, b) => b.score - a.score || b.lengths[0] - a.lengths[0] || b.lengths[1] - a.lengths[1])
    .map(({ left, right }) => [left, right]);
}

function order(ids: ReadonlyMap<string, number>, one: string, other: string): number {
  return (ids.get(one) as number) - (ids.get(other) as number);
}
