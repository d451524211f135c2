import { z } from 'zod';
import type { Row } from '../objective/row.js';

/** A row of a rollout as JSON: numbers of 32 bits come back the same. */
export const rolloutRowSchema = z.object({
  tokens: z.array(z.int()),
  /** Where the answer begins. */
  answer: z.int(),
  perToken: z.record(z.string(), z.array(z.number())),
  perAnswer: z.record(z.string(), z.number()),
});

export type RolloutRow = z.output<typeof rolloutRowSchema>;

export function encodeRolloutRow({ tokens, weights, values }: Row): RolloutRow {
  const arrays = Object.entries(values?.perToken ?? {}).map(([name, each]) => [name, [...each]]);
  const answer = weights.findIndex((weight) => weight > 0);
  return {
    tokens: [...tokens],
    answer: answer === -1 ? tokens.length : answer,
    perToken: Object.fromEntries(arrays),
    perAnswer: { ...values?.perAnswer },
  };
}

export function decodeRolloutRow({ tokens, answer, perToken, perAnswer }: RolloutRow): Row {
  const arrays = Object.entries(perToken).map(([name, each]) => [name, Float32Array.from(each)]);
  return {
    tokens: Int32Array.from(tokens),
    weights: new Float32Array(tokens.length).fill(1, answer),
    values: { perToken: Object.fromEntries(arrays), perAnswer },
  };
}
