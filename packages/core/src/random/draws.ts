import { randomKey, randomUniform } from './mixer.js';

/** Draws that depend on the seed and the name alone. */
export interface Random {
  /** A whole number from 0 to `limit` − 1. */
  below(limit: number): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  pick<Item>(items: readonly Item[]): Item;
  /** Different items, in random order. */
  sample<Item>(items: readonly Item[], count: number): Item[];
}

/** Draws one after another, for data that is made up: the same seed and name give the same draws. */
export function createRandom(seed: number, ...name: readonly (string | number)[]): Random {
  const key = randomKey(seed, name.join('/'));
  let draws = 0;
  const below = (limit: number): number => Math.floor(randomUniform(key, draws++) * limit);
  return {
    below,
    between: (low, high) => low + below(high - low + 1),
    pick: <Item>(items: readonly Item[]) => items[below(items.length)] as Item,
    sample<Item>(items: readonly Item[], count: number) {
      const chosen = new Set<Item>();
      while (chosen.size < Math.min(count, items.length)) chosen.add(items[below(items.length)] as Item);
      return [...chosen];
    },
  };
}
