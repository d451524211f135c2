import {
  apiVersion,
  type Clock,
  classification,
  classificationLoss,
  defineObjective,
  type LossTerm,
  type Model,
  type ModelRun,
  type Named,
  reverseGradient,
  type Tensor,
  type Trace,
  tf,
  tokenColumns,
} from '@tunesmith/core';
import { z } from 'zod';
import { collateDomains } from './collate-domains.js';
import { domainClassifier, domainLogits } from './domain-classifier.js';

export const dannConfigSchema = z.object({
  labels: z
    .union([z.int().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe(
      'The labels in the order of the model’s logits, or how many there are. Those of the training data if not said.',
    ),
  problemType: z
    .enum(['single-label', 'multi-label', 'regression'])
    .default('single-label')
    .describe('One label each, any number of them, or numbers, as `classification` has it.'),
  lambda: z
    .number()
    .min(0)
    .default(1)
    .describe(
      'What λ rises to, how much domains are to be alike beside the labels being told. Default: the paper’s, 1.',
    ),
  steepness: z.number().positive().default(10).describe('How fast λ rises, γ. Default: the paper’s, 10.'),
  units: z
    .int()
    .min(1)
    .default(100)
    .describe('Width of the domain classifier’s hidden layer. Default: the paper’s for MNIST, 100.'),
  rate: z
    .number()
    .positive()
    .default(1)
    .describe(
      'Factor on the learning rate for the domain classifier, which has to keep up with the model. Default: the paper’s, 1.',
    ),
});

export type DannConfig = z.output<typeof dannConfigSchema>;

/** λ·(2 / (1 + e^(−γ·p)) − 1) at p, the part of the run that is done (Ganin et al. 2016, §5.2.2). */
export function reversalAt(
  { step, steps }: Clock,
  { lambda, steepness }: Pick<DannConfig, 'lambda' | 'steepness'>,
): number {
  return lambda * (2 / (1 + Math.exp((-steepness * step) / steps)) - 1);
}

/**
 * Domain-adversarial training (Ganin et al. 2016, arXiv:1505.07818, eq. 9): a classifier of labelled source texts whose states do not
 * tell source from target. A second classifier learns to tell them apart, and its gradient comes back reversed, λ times. The domain's
 * loss is the mean over source rows and that over target rows, added.
 */
export const dann = defineObjective({
  name: 'dann',
  apiVersion,
  summary: 'DANN: labels learnt in one domain, by states that are alike in another',
  config: dannConfigSchema,
  rows: 'labels',
  unlabelled: true,
  unpackable: 'a row that is classified holds one text',
  create(config) {
    const { labels = 0, problemType, units, rate } = config;
    const count = typeof labels === 'number' ? labels : labels.length;
    const labelled = classification({ labels: count, problemType });
    return {
      ...labelled,
      methods: [domainClassifier({ units, rate })],
      controls: { reversal: { shape: [], value: (clock) => reversalAt(clock, config) } },
      collate: (rows, options) => collateDomains(labelled, rows, options),
      losses(model, columns, t) {
        const run = model.run(t, tokenColumns(columns));
        const loss = classificationLoss(run, columns, problemType);
        return columns.target === undefined ? [loss] : [loss, ...domainTerms(model, run, columns, t)];
      },
    };
  },
});

/** −log p of each row's domain, of the two domains apart, and whether the more likely one is right. */
function domainTerms(model: Model, run: ModelRun, columns: Named<Tensor>, t: Trace): LossTerm[] {
  const [source, target] = [columns.source, columns.target] as [Tensor, Tensor];
  const states = reverseGradient(run.pooled(columns.last as Tensor), t.control('reversal'));
  const logits = domainLogits(model, states, t); // [rows]
  const sum = (each: Tensor, of: Tensor): Tensor => tf.sum(tf.mul(each, of));
  const isTarget = tf.cast(tf.greater(logits, 0), 'float32');
  const right = tf.add(sum(isTarget, target), sum(tf.sub(1, isTarget), source));
  return [
    { name: 'domain.source', sum: sum(tf.softplus(logits), source), per: 'rows' },
    { name: 'domain.target', sum: sum(tf.softplus(tf.neg(logits)), target), per: 'targetRows' },
    { name: 'domain.accuracy', sum: right, per: 'allRows', weight: 0 },
  ];
}
