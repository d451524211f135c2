import { defineOp } from './define-op.js';
import { holdBack } from './hold-back.js';
import { sumToShape } from './sum-to-shape.js';
import { type Tensor, tf } from './tfjs.js';

const op = defineOp<{ epsilon: number }, readonly [Tensor, Tensor]>({
  name: 'RmsNorm',
  compose: ([x, weight], { epsilon }) => [tf.mul(tf.mul(x, inverseRms(x, epsilon)), weight)],
  gradient: ([dy], [kept, weight], _, { epsilon }) => {
    // Held back, lest the normalised input be kept beside the input.
    const x = holdBack(kept, dy);
    const scale = tf.tidy(() => inverseRms(x, epsilon)); // [.., 1]
    return [
      () => {
        // With n = x · r and g = dy · weight: dx = r · (g − n · mean(g · n)).
        const normalized = tf.mul(x, scale);
        const upstream = tf.mul(dy, weight);
        return tf.mul(scale, tf.sub(upstream, tf.mul(normalized, rowMean(tf.mul(upstream, normalized)))));
      },
      () => sumToShape(tf.mul(dy, tf.mul(x, scale)), weight.shape),
    ];
  },
});

/** x · (mean(x²) + ε)^-½ · weight over the last axis (Zhang and Sennrich 2019): x [.., n], weight [n]. */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  return op([x, weight], { epsilon })[0];
}

function inverseRms(x: Tensor, epsilon: number): Tensor {
  return tf.rsqrt(tf.add(rowMean(tf.square(x)), epsilon));
}

/** The mean over the last axis: [.., n] → [.., 1]. */
function rowMean(x: Tensor): Tensor {
  return tf.mean(x, -1, true);
}
