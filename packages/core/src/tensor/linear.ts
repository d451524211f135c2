import { TunesmithError } from '../errors/tunesmith-error.js';
import { type Tensor, tf } from './tfjs.js';

/** x · weightᵀ: x [.., in], weight [out, in] → [.., out]. */
export function linear(x: Tensor, weight: Tensor): Tensor {
  const [outFeatures = 0, inFeatures = 0] = weight.shape;
  if (weight.rank !== 2 || x.shape.at(-1) !== inFeatures) {
    throw new TunesmithError('SHAPE_MISMATCH', 'linear', {
      expected: 'x [.., in] and weight [out, in]',
      got: `[${x.shape}] and [${weight.shape}]`,
    });
  }
  if (x.rank === 2) return tf.matMul(x, weight, false, true);
  const rows = tf.reshape(x, [-1, inFeatures]); // [rows, in]
  return tf.reshape(tf.matMul(rows, weight, false, true), [...x.shape.slice(0, -1), outFeatures]);
}
