/** Pearson's correlation, Σ(x−x̄)(y−ȳ) / √(Σ(x−x̄)²·Σ(y−ȳ)²); NaN where one of them doesn't vary. */
export function pearson(first: ArrayLike<number>, second: ArrayLike<number>): number {
  const [x, y] = [centred(first), centred(second)];
  const dot = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, index) => sum + value * (b[index] as number), 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

/** Spearman's rank correlation: Pearson's of the ranks, equal values sharing their mean rank (Spearman 1904). */
export function spearman(first: ArrayLike<number>, second: ArrayLike<number>): number {
  return pearson(ranks(first), ranks(second));
}

function centred(values: ArrayLike<number>): number[] {
  const all = Array.from(values);
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
  return all.map((value) => value - mean);
}

/** Ranks from 1; equal values share the mean of theirs. */
function ranks(values: ArrayLike<number>): number[] {
  const order = Array.from(values, (value, index) => ({ value, index })).sort((a, b) => a.value - b.value);
  const result = new Array<number>(order.length);
  for (let first = 0; first < order.length; ) {
    let last = first;
    while (last + 1 < order.length && order[last + 1]?.value === order[first]?.value) last++;
    for (let at = first; at <= last; at++) result[order[at]?.index as number] = (first + last) / 2 + 1;
    first = last + 1;
  }
  return result;
}
