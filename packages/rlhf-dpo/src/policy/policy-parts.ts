import { apiVersion } from '@tunesmith/core';
import type { RewardFunction } from './reward-function.js';

/** What the definition of every policy says alike. */
export const policyParts = {
  apiVersion,
  rows: 'prompts',
  unpackable: 'a row holds one answer of the model’s',
} as const;

/** A policy's reward of one's own, and the name that recipes have for the objective that learns by it. */
export interface OwnReward {
  readonly name: string;
  readonly summary?: string;
  readonly reward: RewardFunction;
}
