import type { Answer } from '@tunesmith/core';
import { klEstimate } from './kl.js';

/** An answer with its reward, less the penalty for one that does not end, and what it is learnt by. */
export interface Scored {
  readonly answer: Answer;
  readonly reward: number;
  /** log π of each token, as it was drawn. */
  readonly logProbs: Float32Array;
  readonly reference: Float32Array | null;
}

/** The KL estimate of a whole answer: Σ k1. */
export function klOf({ logProbs, reference }: Pick<Scored, 'logProbs' | 'reference'>): number {
  if (reference === null) return 0;
  return logProbs.reduce((sum, logProb, index) => sum + klEstimate('k1', logProb, reference[index] as number), 0);
}

/** The answers to each prompt, which lie beside each other. */
export function byPrompt(scored: readonly Scored[]): Scored[][] {
  const groups = new Map<number, Scored[]>();
  for (const each of scored) groups.set(each.answer.prompt, [...(groups.get(each.answer.prompt) ?? []), each]);
  return [...groups.values()];
}
