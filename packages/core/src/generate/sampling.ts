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
  if (temperature !== 1) scores = scores.map((score) => score / temperature);
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
  return k >= scores.length ? scores : keepFrom(scores, kthLargest(scores, k));
}

/**
 * Keeps the fewest most likely tokens whose probabilities add up to p or more, and what equals the last of them; all
 * others become −∞.
 */
export function keepTopP(scores: Float32Array, p: number): Float32Array {
  const probabilities = softmax(scores);
  // All tokens below this share add up to less than 1 − p, so that the others reach p without them: few need sorting.
  const share = (1 - p) / scores.length;
  const candidates = scores.filter((_, index) => (probabilities[index] as number) >= share);
  const likely = probabilities.filter((probability) => probability >= share).sort();
  let kept = 0;
  for (let sum = 0; sum < p && kept < likely.length; kept++) sum += likely[likely.length - 1 - kept] as number;
  return keepFrom(scores, kthLargest(candidates, kept));
}

function keepFrom(scores: Float32Array, least: number): Float32Array {
  const kept = new Float32Array(scores.length);
  for (let index = 0; index < scores.length; index++) {
    const score = scores[index] as number;
    kept[index] = score < least ? Number.NEGATIVE_INFINITY : score;
  }
  return kept;
}

/** The k-th largest value, by Hoare's selection (1961): a vocabulary is too long to sort for every token. */
function kthLargest(values: Float32Array, k: number): number {
  const part = values.slice();
  const wanted = part.length - k;
  let [low, high] = [0, part.length - 1];
  while (low < high) {
    const pivot = part[(low + high) >> 1] as number;
    let [left, right] = [low, high];
    while (left <= right) {
      while ((part[left] as number) < pivot) left++;
      while ((part[right] as number) > pivot) right--;
      if (left > right) break;
      [part[left], part[right]] = [part[right] as number, part[left] as number];
      left++;
      right--;
    }
    if (wanted <= right) high = right;
    else if (wanted >= left) low = left;
    else break;
  }
  return part[wanted] as number;
}

/** exp(s − max) / Σ exp(s − max), in double precision. */
export function softmax(scores: Float32Array): Float64Array {
  const largest = scores[mostLikely(scores)] as number;
  const weights = new Float64Array(scores.length);
  let sum = 0;
  for (let index = 0; index < scores.length; index++) {
    const weight = Math.exp((scores[index] as number) - largest);
    weights[index] = weight;
    sum += weight;
  }
  for (let index = 0; index < weights.length; index++) weights[index] = (weights[index] as number) / sum;
  return weights;
}

/** The model's own log-probability of a token, before any option bends it: s − log Σ exp s. */
export function logProbability(logits: Float32Array, token: number): number {
  const largest = logits[mostLikely(logits)] as number;
  let sum = 0;
  for (let index = 0; index < logits.length; index++) sum += Math.exp((logits[index] as number) - largest);
  return (logits[token] as number) - largest - Math.log(sum);
}

/** The first index at which the running sum of the probabilities exceeds `uniform`, in [0, 1). */
export function pick(probabilities: Float64Array, uniform: number): number {
  let sum = 0;
  let last = 0;
  for (let index = 0; index < probabilities.length && sum <= uniform; index++) {
    const probability = probabilities[index] as number;
    if (probability > 0) last = index;
    sum += probability;
  }
  // Where rounding leaves the whole sum below 1, it is the last that can be.
  return last;
}
