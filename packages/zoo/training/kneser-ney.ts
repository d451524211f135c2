/** −log₂ p of each token of a text given those before it. */
export interface LanguageModel {
  bits(tokens: ArrayLike<number>): number;
}

/** An n-gram as a string, one UTF-16 unit a token. */
type Gram = string;

interface Order {
  readonly counts: ReadonlyMap<Gram, number>;
  /** Per context: the sum of its counts, and the share of probability that goes to the order below. */
  readonly contexts: ReadonlyMap<Gram, { total: number; discounted: number }>;
  /** What is taken from a count of 1, 2, and 3 or more. */
  readonly discounts: readonly [number, number, number];
}

/**
 * An n-gram model with interpolated modified Kneser-Ney smoothing (Chen and Goodman 1999, §3 and eqs. 26–28): the highest
 * order counts occurrences, those below count the different tokens that come before; below the unigrams all tokens are alike.
 * A text's first token is given.
 */
export function trainKneserNey(
  texts: readonly ArrayLike<number>[],
  order: number,
  vocabularySize: number,
): LanguageModel {
  const orders: Order[] = [];
  let above: ReadonlyMap<Gram, number> | undefined;
  for (let length = order; length >= 1; length--) {
    const counts = countGrams(texts, length, above);
    orders.unshift(smooth(counts));
    above = counts;
  }

  const probability = (gram: Gram): number => {
    let result = 1 / vocabularySize;
    for (let length = 1; length <= Math.min(gram.length, order); length++) {
      const { counts, contexts, discounts } = orders[length - 1] as Order;
      const suffix = gram.slice(gram.length - length);
      const context = contexts.get(suffix.slice(0, -1));
      if (context === undefined) break;
      const count = counts.get(suffix) ?? 0;
      const kept = count === 0 ? 0 : count - (discounts[Math.min(count, 3) - 1] as number);
      result = (kept + context.discounted * result) / context.total;
    }
    return result;
  };

  return {
    bits(tokens) {
      const text = String.fromCharCode(...Array.from(tokens));
      let sum = 0;
      for (let end = 2; end <= text.length; end++) {
        sum -= Math.log2(probability(text.slice(Math.max(0, end - order), end)));
      }
      return sum;
    },
  };
}

/**
 * Occurrences at the highest order; below it how many different tokens come before, and, where nothing can (at the start of
 * a text), occurrences.
 */
function countGrams(
  texts: readonly ArrayLike<number>[],
  length: number,
  above: ReadonlyMap<Gram, number> | undefined,
): ReadonlyMap<Gram, number> {
  const counts = new Map<Gram, number>();
  const add = (gram: Gram): unknown => counts.set(gram, (counts.get(gram) ?? 0) + 1);
  for (const tokens of texts) {
    const last = above === undefined ? tokens.length - length : Math.min(0, tokens.length - length);
    for (let start = 0; start <= last; start++) {
      add(String.fromCharCode(...Array.from({ length }, (_, offset) => tokens[start + offset] as number)));
    }
  }
  for (const gram of above?.keys() ?? []) add(gram.slice(1));
  return counts;
}

function smooth(counts: ReadonlyMap<Gram, number>): Order {
  const withCount = [0, 0, 0, 0, 0];
  for (const count of counts.values()) if (count <= 4) withCount[count] = (withCount[count] as number) + 1;
  const [, n1, n2, n3, n4] = withCount as [number, number, number, number, number];
  const y = n1 / (n1 + 2 * n2);
  const discount = (count: number, now: number, next: number): number =>
    now === 0 ? 0 : Math.max(0, count - ((count + 1) * y * next) / now);
  const discounts = [discount(1, n1, n2), discount(2, n2, n3), discount(3, n3, n4)] as const;
  const contexts = new Map<Gram, { total: number; discounted: number }>();
  for (const [gram, count] of counts) {
    const before = gram.slice(0, -1);
    const context = contexts.get(before) ?? { total: 0, discounted: 0 };
    context.total += count;
    context.discounted += discounts[Math.min(count, 3) - 1] as number;
    contexts.set(before, context);
  }
  return { counts, contexts, discounts };
}
