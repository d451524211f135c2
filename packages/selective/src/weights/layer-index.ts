import type { Handle, Patcher } from '@tunesmith/core';

/** Where the weights of a model lie. */
export interface LayerIndex {
  /** How many blocks there are. */
  readonly layers: number;
  /** Of a weight: −1 before the blocks (embeddings), 0 to layers − 1 in one, `layers` after them (final norm, pooler, head). */
  of(handle: Handle): number;
}

/**
 * The place of each weight, from the order in which the family declares them. A tied head is the embedding, and lies
 * before the blocks. What is trained in a weight's place has its path, and so its place.
 */
export function layerIndex({ weights }: Pick<Patcher, 'weights'>): LayerIndex {
  const layers = 1 + Math.max(-1, ...weights.map(({ depth }) => depth ?? -1));
  const places = new Map<string, number>();
  let seen = false;
  for (const { path, depth } of weights) {
    seen ||= depth !== null;
    places.set(path, depth ?? (seen ? layers : -1));
  }
  return { layers, of: ({ path, depth }) => places.get(path) ?? depth ?? layers };
}
