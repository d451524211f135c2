export type { DpoConfig } from './dpo/config.js';
export { dpoConfigSchema } from './dpo/config.js';
export { dpo } from './dpo/dpo.js';
export type { DpoLossName, LossOptions, PairLoss } from './dpo/losses.js';
export { dpoLosses } from './dpo/losses.js';
export type { PairLogProbs, ReferenceKind } from './pairs/pair-log-probs.js';
