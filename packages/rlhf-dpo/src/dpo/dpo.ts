import { apiVersion, defineObjective, type Prior, TunesmithError, tf } from '@tunesmith/core';
import { collatePairs } from '../pairs/collate-pairs.js';
import { bareLogProbs, pairLogProbs } from '../pairs/pair-log-probs.js';
import { pairMetrics } from '../pairs/pair-metrics.js';
import { unpackable } from '../pairs/unpackable.js';
import { type ReferenceOptions, referenceAdapters } from '../reference/reference-options.js';
import { type DpoConfig, dpoConfigSchema } from './config.js';
import { dpoLosses, type PairLoss, ratios } from './losses.js';

/**
 * Direct preference optimisation (Rafailov et al. 2023): a loss of how much more likely than the reference the model makes an
 * answer that was chosen, and one that was rejected, averaged over the pairs. Beside it the rewards β·log(π/π_ref) that the
 * model implies, their margin, and how often the chosen one's is the greater.
 */
export const dpo = defineObjective({
  name: 'dpo',
  apiVersion,
  summary: 'Direct preference optimisation: answers that were chosen over answers that were rejected',
  config: dpoConfigSchema,
  rows: 'preferences',
  unpackable,
  // trl/scripts/dpo.py, the rate of its LoRA example.
  defaults: { learningRate: 5e-6 },
  create(config) {
    const { beta, reference, sharedPrompt } = config;
    const loss: PairLoss = dpoLosses[config.loss];
    checkOptions(config, loss);
    return {
      rowsEach: sharedPrompt ? 1 : 2,
      ...(loss.coupled === undefined ? {} : { coupled: loss.coupled }),
      ...referenceAdapters(config),
      ...(reference === 'cached' && { prior: { key: 'answer-log-probs', compute: priorOf(config) } }),
      collate: (rows, options) => collatePairs('dpo', rows, options, { shared: sharedPrompt }),
      losses(model, columns, t) {
        const pair = pairLogProbs(model, columns, t, config);
        const sum = tf.sum(tf.mul(loss.of(pair, config), pair.weights));
        return [{ name: 'loss', sum, per: 'pairs' }, ...pairMetrics(pair, ratios(pair, beta))];
      },
    };
  },
});

/** Log-probabilities of both answers of each pair by the reference: `[pairs, 2]`. */
function priorOf(options: ReferenceOptions): Prior['compute'] {
  return (model, columns, t) => tf.reshape(bareLogProbs(model, columns, t, options), [-1, 2]);
}

/** @throws CONFIG_INVALID */
function checkOptions({ loss: name, labelSmoothing, reference, referenceAdapter }: DpoConfig, loss: PairLoss): void {
  const wrong = (where: string, what: string, expected: string, got: string): TunesmithError =>
    new TunesmithError('CONFIG_INVALID', what, { where: `dpo.${where}`, expected, got });
  if (labelSmoothing > 0 && loss.smoothing === undefined) {
    throw wrong('labelSmoothing', `the loss ${name} has no smoothing`, '0', String(labelSmoothing));
  }
  if (labelSmoothing === 0 && loss.smoothing === 'required') {
    throw wrong('labelSmoothing', `the loss ${name} needs a smoothing`, 'above 0', '0');
  }
  if (reference === 'none' && loss.referenceFree !== true) {
    throw wrong(
      'reference',
      `the loss ${name} compares each answer with the reference`,
      'adapter-off or cached',
      'none',
    );
  }
  if (reference === 'none' && referenceAdapter !== undefined) {
    throw wrong('referenceAdapter', 'there is no reference to be an adapter', 'none', referenceAdapter);
  }
}
