import { type Tensor, tf } from '@tunesmith/core';
import { logSigmoid } from '../pairs/log-sigmoid.js';
import type { PairLogProbs } from '../pairs/pair-log-probs.js';
import { smoothed } from '../pairs/smoothed.js';
import { ascending } from '../pairs/sort.js';

export interface LossOptions {
  readonly beta: number;
  /** ε: how likely a preference is taken to be the wrong way round. */
  readonly labelSmoothing: number;
}

/** A loss over pairs: what it is of the four log-probabilities, and what goes with it. */
export interface PairLoss {
  /** `[pairs]` */
  of(pair: PairLogProbs, options: LossOptions): Tensor;
  /** What ε may be: nothing but 0 if not said. */
  readonly smoothing?: 'any' | 'required';
  /** Whether it has a meaning without a reference: where only differences between the answers count. */
  readonly referenceFree?: boolean;
  /** Why a batch cannot be computed in parts, if it cannot. */
  readonly coupled?: string;
}

const sorted = 'its loss sorts the pairs of a whole batch';

/**
 * The losses of TRL's DPOTrainer by its names (trl/trainer/dpo_trainer.py, `_compute_loss`, 1.16), and two more: ε of
 * `sigmoid`, which TRL ignores, and `ipo_sum`. c = log π(y_w) − log π_ref(y_w), r the same of y_l, Δ = c − r.
 */
export const dpoLosses = {
  /** −(1 − ε)·log σ(βΔ) − ε·log σ(−βΔ): DPO (Rafailov et al. 2023, eq. 7); with ε conservative DPO (Mitchell 2023). */
  sigmoid: {
    of: (pair, { beta, labelSmoothing }) => smoothed(tf.mul(difference(pair), beta), labelSmoothing),
    smoothing: 'any',
    referenceFree: true,
  },
  /** [−(1 − ε)·log σ(βΔ) + ε·log σ(−βΔ)] / (1 − 2ε), unbiased under flipped labels (Chowdhury et al. 2024, eq. 12). */
  robust: {
    of(pair, { beta, labelSmoothing: epsilon }) {
      const x = tf.mul(difference(pair), beta);
      const clean = tf.mul(logSigmoid(x), epsilon - 1);
      return tf.mul(tf.add(clean, tf.mul(logSigmoid(tf.neg(x)), epsilon)), 1 / (1 - 2 * epsilon));
    },
    smoothing: 'any',
    referenceFree: true,
  },
  /** max(0, 1 − βΔ) (RSO, Liu et al. 2023, eq. 8; SLiC). */
  hinge: {
    of: (pair, { beta }) => tf.relu(tf.sub(1, tf.mul(difference(pair), beta))),
    referenceFree: true,
  },
  /** (c/|y_w| − r/|y_l| − 1/2β)²: IPO over means of tokens, as its authors computed it (Azar et al. 2023, eq. 17). */
  ipo: {
    of: (pair, { beta }) => tf.square(tf.sub(meanDifference(pair), 1 / (2 * beta))),
    referenceFree: true,
  },
  /** (Δ − 1/2β)²: the same over sums of tokens (eric-mitchell/direct-preference-optimization, trainers.py). */
  ipo_sum: {
    of: (pair, { beta }) => tf.square(tf.sub(difference(pair), 1 / (2 * beta))),
    referenceFree: true,
  },
  /** KL(softmax(βc, βr) ‖ (1 − ε, ε)) (EXO, Ji et al. 2024, eq. 16). */
  exo_pair: {
    of(pair, { beta, labelSmoothing: epsilon }) {
      const x = tf.mul(difference(pair), beta);
      const part = (logit: Tensor, share: number): Tensor =>
        tf.mul(tf.sigmoid(logit), tf.sub(logSigmoid(logit), Math.log(share)));
      return tf.add(part(x, 1 - epsilon), part(tf.neg(x), epsilon));
    },
    smoothing: 'required',
    referenceFree: true,
  },
  /** −log σ(βc) − ½·log σ(−βc) − ½·log σ(−βr) (NCA, Chen et al. 2024, eq. 11). */
  nca_pair: {
    of(pair, { beta }) {
      const { chosen, rejected } = ratios(pair, beta);
      const against = tf.add(logSigmoid(tf.neg(chosen)), logSigmoid(tf.neg(rejected)));
      return tf.neg(tf.add(logSigmoid(chosen), tf.mul(against, 0.5)));
    },
  },
  /** −log σ(βc) − log σ(−βr): BCO without its moving offset (Jung et al. 2024, eq. 9). */
  bco_pair: {
    of(pair, { beta }) {
      const { chosen, rejected } = ratios(pair, beta);
      return tf.neg(tf.add(logSigmoid(chosen), logSigmoid(tf.neg(rejected))));
    },
  },
  /** (c − 1/2β)² + (r + 1/2β)²: SPPO where y_w always wins (Wu et al. 2024, eq. 4.7). */
  sppo_hard: {
    of(pair, { beta }) {
      const { chosen, rejected } = ratios(pair, 1);
      return tf.add(tf.square(tf.sub(chosen, 0.5 / beta)), tf.square(tf.add(rejected, 0.5 / beta)));
    },
  },
  /** The smoothed sigmoid of sorted log π(y_w)/π(y_l) less sorted log π_ref(y_w)/π_ref(y_l) (AOT, Melnyk et al. 2024). */
  aot: {
    of(pair, { beta, labelSmoothing }) {
      const policy = tf.sub(pair.chosen, pair.rejected);
      const reference = tf.sub(pair.referenceChosen, pair.referenceRejected);
      const delta = tf.sub(ascending(policy, pair.weights), ascending(reference, pair.weights));
      return smoothed(tf.mul(delta, beta), labelSmoothing);
    },
    smoothing: 'any',
    coupled: sorted,
  },
  /** The same of sorted c less sorted r: chosen and rejected need not belong together. */
  aot_unpaired: {
    of(pair, { beta, labelSmoothing }) {
      const { chosen, rejected } = ratios(pair, 1);
      const delta = tf.sub(ascending(chosen, pair.weights), ascending(rejected, pair.weights));
      return smoothed(tf.mul(delta, beta), labelSmoothing);
    },
    smoothing: 'any',
    coupled: sorted,
  },
  /** 1 − σ(βc) + σ(βr): for answers better than the model's own (APO, D'Oosterlinck et al. 2024, eq. 7). */
  apo_zero: {
    of(pair, { beta }) {
      const { chosen, rejected } = ratios(pair, beta);
      return tf.add(tf.sigmoid(tf.neg(chosen)), tf.sigmoid(rejected));
    },
  },
  /** σ(βc) + 1 − σ(βΔ): for answers worse than the model's own (APO, eq. 8). */
  apo_down: {
    of(pair, { beta }) {
      const { chosen, rejected } = ratios(pair, beta);
      return tf.add(tf.sigmoid(chosen), tf.sigmoid(tf.sub(rejected, chosen)));
    },
  },
  /** (1 − m)·(−log σ(βΔ)) + m·e^−βΔ with m = σ(βΔ/0.05) (DiscoPOP, Lu et al. 2024, eq. 5). */
  discopop: {
    of(pair, { beta }) {
      const x = tf.mul(difference(pair), beta);
      const mix = tf.sigmoid(tf.mul(x, 1 / 0.05));
      return tf.sub(tf.mul(mix, tf.exp(tf.neg(x))), tf.mul(tf.sub(1, mix), logSigmoid(x)));
    },
    referenceFree: true,
  },
  /** −log σ(β·(c/|y_w| − r/|y_l|)): DPO over means of tokens (Tülu 3, Lambert et al. 2024, §5.1). */
  sigmoid_norm: {
    of: (pair, { beta }) => tf.neg(logSigmoid(tf.mul(meanDifference(pair), beta))),
    referenceFree: true,
  },
} as const satisfies Readonly<Record<string, PairLoss>>;

export type DpoLossName = keyof typeof dpoLosses;

/** c and r, times β: the rewards that the model implies. */
export function ratios(pair: PairLogProbs, beta: number): { chosen: Tensor; rejected: Tensor } {
  const scaled = (x: Tensor): Tensor => (beta === 1 ? x : tf.mul(x, beta));
  return {
    chosen: scaled(tf.sub(pair.chosen, pair.referenceChosen)),
    rejected: scaled(tf.sub(pair.rejected, pair.referenceRejected)),
  };
}

function difference(pair: PairLogProbs): Tensor {
  const { chosen, rejected } = ratios(pair, 1);
  return tf.sub(chosen, rejected);
}

function meanDifference(pair: PairLogProbs): Tensor {
  const { chosen, rejected } = ratios(pair, 1);
  return tf.sub(tf.div(chosen, pair.chosenTokens), tf.div(rejected, pair.rejectedTokens));
}
