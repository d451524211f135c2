import { z } from 'zod';
import { randomKey, randomUniform } from '../random/mixer.js';

/** How a token is drawn from the logits; the names and the order of application are transformers'. */
export const samplingSchema = z.object({
  temperature: z
    .number()
    .min(0)
    .default(0)
    .describe(
      'Divides the logits before sampling; 0 takes the most likely token (greedy), as transformers by default.',
    ),
  topK: z.int().positive().optional().describe('Samples only among the k most likely tokens (Fan et al. 2018).'),
  topP: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe('Samples only among the most likely tokens whose probabilities add up to p (Holtzman et al. 2020).'),
  repetitionPenalty: z
    .number()
    .positive()
    .default(1)
    .describe('Divides positive and multiplies negative logits of tokens that are there already (Keskar et al. 2019).'),
  seed: z.int().nonnegative().default(0).describe('Equal seeds draw equal tokens, whatever else is in the batch.'),
});

export type Sampling = z.output<typeof samplingSchema>;

/** What a draw depends on besides the logits: equal for a row alone and in a batch. */
export interface DrawPosition {
  readonly row: number;
  /** Of the token to be drawn, counted from 0 at the prompt's start. */
  readonly position: number;
}

/**
 * Draws the next token of a row from its logits `[vocabulary]`: repetition penalty, temperature, top-k, top-p, then one
 * uniform number keyed by (seed, row, position).
 * @param seen the row's tokens so far, its prompt's among them
 */
export function drawToken(
  logits: Float32Array,
  seen: Iterable<number>,
  { temperature, topK, topP, repetitionPenalty, seed }: Sampling,
  { row, position }: DrawPosition,
): number {
  let scores = repetitionPenalty === 1 ? logits : penaliseRepetition(logits, seen, repetitionPenalty);
  if (temperature === 0) return mostLikely(scores);
  scores = scores.map((score) => score / temperature);
  if (topK !== undefined) scores = keepTopK(scores, topK);
  if (topP < 1) scores = keepTopP(scores, topP);
  return pick(softmax(scores), randomUniform(randomKey(seed, 'sample', row), position));
}

/** The index of the largest value, the first of equal ones. */
export function mostLikely(scores: Float32Array): number {
  let best = 0;
  for (let index = 1; index < scores.length; index++) {
    if ((scores[index] as number) > (scores[best] as number)) best = index;
  }
  return best;
}

/** s / penalty where s > 0, else s · penalty, for each seen token once (transformers' RepetitionPenaltyLogitsProcessor). */
export function penaliseRepetition(logits: Float32Array, seen: Iterable<number>, penalty: number): Float32Array {
  const scores = logits.slice();
  for (const token of new Set(seen)) {
    const score = scores[token] as number;
    scores[token] = score > 0 ? score / penalty : score * penalty;
  }
  return scores;
}

/** All but the k largest scores become −∞; what equals the k-th stays. */
export function keepTopK(scores: Float32Array, k: number): Float32Array {
  if (k >= scores.length) return scores;
  const least = scores.slice().sort()[scores.length - k] as number;
  return scores.map((score) => (score < least ? Number.NEGATIVE_INFINITY : score));
}

/**
 * Keeps the fewest most likely tokens whose probabilities add up to p or more, and what equals the last of them; all
 * others become −∞.
 */
export function keepTopP(scores: Float32Array, p: number): Float32Array {
  const ascending = scores.slice().sort();
  const probabilities = softmax(ascending);
  let index = ascending.length - 1;
  for (let sum = probabilities[index] as number; sum < p && index > 0; sum += probabilities[index] as number) index--;
  const least = ascending[index] as number;
  return scores.map((score) => (score < least ? Number.NEGATIVE_INFINITY : score));
}

/** exp(s − max) / Σ exp(s − max), in double precision. */
export function softmax(scores: Float32Array): Float64Array {
  const largest = scores[mostLikely(scores)] as number;
  const weights = Float64Array.from(scores, (score) => Math.exp(score - largest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** The model's own log-probability of a token, before any option bends it: s − log Σ exp s. */
export function logProbability(logits: Float32Array, token: number): number {
  const largest = logits[mostLikely(logits)] as number;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return (logits[token] as number) - largest - Math.log(sum);
}

/** The first index at which the running sum of the probabilities exceeds `uniform`, in [0, 1). */
export function pick(probabilities: Float64Array, uniform: number): number {
  let sum = 0;
  let last = 0;
  for (const [index, probability] of probabilities.entries()) {
    if (probability === 0) continue;
    sum += probability;
    last = index;
    if (sum > uniform) break;
  }
  // Rounding may leave the sum just below 1.
  return last;
}
