import type { Trace } from '../model/trace.js';
import { type Tensor, tf } from '../tensor/tfjs.js';
import type { Objective } from './objective.js';
import { targetColumns, weightedTargets } from './target-columns.js';
import { collateTokens, tokenColumns } from './token-columns.js';

/**
 * Supervised fine-tuning: Σ wᵢ · −log p(tokenᵢ | tokens before) / Σ wᵢ, each token with a weight of its own
 * (1 on answers, the prompt-loss weight on prompts, 0 where nothing is learnt). Positions of weight 0 cost no logits.
 *
 * Columns: `ids`, `positions` int32 `[rows, length]`; `segments` int32 `[rows, length]` where rows are packed;
 * `targetPositions`, `targets` int32 `[count]` and `targetWeights` float32 `[count]`, where `targetPositions` are flat
 * indices of the position that predicts each target.
 */
export const sft: Objective = {
  name: 'sft',

  collate(rows, options) {
    const { length, columns } = collateTokens(rows, options);
    const { segments, ...tokens } = columns;
    const targets = weightedTargets(rows, length);
    const { targetRows: _, ...targetColumn } = targetColumns(targets, options.rows * length);
    const packed = rows.some((row) => row.segments !== undefined);
    return {
      columns: {
        ...tokens,
        // Right padding needs no mask of its own: causal attention never looks at it.
        ...(packed ? { segments } : {}),
        ...targetColumn,
      },
      rows: rows.length,
      tokens: rows.reduce((sum, row) => sum + row.tokens.length, 0),
      normalizers: { weight: targets.reduce((sum, { weight }) => sum + weight, 0) },
    };
  },

  losses(model, columns, t) {
    const run = model.run(t, tokenColumns(columns));
    const [positions, labels, weights] = [columns.targetPositions, columns.targets, columns.targetWeights] as Tensor[];
    return [{ name: 'loss', sum: tf.neg(run.sumLogProbs(positions!, labels!, weights!)), per: 'weight' }];
  },

  ownLabels: {
    count: 1,
    relabel(model, columns, t) {
      const logits = model.run(t, tokenColumns(columns)).logits(columns.targetPositions as Tensor); // [count, vocabulary]
      return { columns: { targets: drawTokens(logits, t) }, weight: tf.scalar(1) };
    },
  },
};

/** A token for each row of logits `[count, vocabulary]` → int32 `[count]`, by the inverse of the distribution function. */
function drawTokens(logits: Tensor, t: Trace): Tensor {
  const [count = 0, vocabulary = 0] = logits.shape;
  const upTo = tf.cumsum(tf.softmax(logits), 1);
  const noise = tf.reshape(t.uniform('own labels', [1, count], 'row'), [count, 1]);
  // Rounding leaves the sum a little off 1, and the draw must lie below it.
  const draw = tf.mul(noise, tf.slice(upTo, [0, vocabulary - 1], [count, 1]));
  const passed = tf.sum(tf.cast(tf.lessEqual(upTo, draw), 'int32'), -1);
  return tf.minimum(passed, tf.scalar(vocabulary - 1, 'int32'));
}
