import { defineOp, type Tensor, tf } from '@tunesmith/core';

const op = defineOp<object, readonly [Tensor, Tensor, Tensor]>({
  name: 'ReplaceColumns',
  compose: ([y, z, columns]) => {
    const [width, count] = [y.shape.at(-1)!, z.shape.at(-1)!];
    // From where in [y, z] each column comes: its own place, or z's k-th.
    const moves = tf.sub(tf.add(tf.range(0, count, 1, 'int32'), tf.scalar(width, 'int32')), columns);
    const places = tf.add(tf.range(0, width, 1, 'int32'), scatter(columns, moves, width)); // [width]
    return [tf.gather(tf.concat([y, z], -1), places as never, y.rank - 1)];
  },
  gradient: ([dy], [y, z, columns]) => [
    () => {
      const width = y.shape.at(-1)!;
      return tf.mul(dy, tf.sub(1, scatter(columns, tf.ones([z.shape.at(-1)!]), width)));
    },
    () => tf.gather(dy, columns as never, dy.rank - 1),
    null,
  ],
});

/** y `[.., width]` with its columns `columns` (int32 `[count]`, each once) replaced by those of z `[.., count]`. */
export function replaceColumns(y: Tensor, z: Tensor, columns: Tensor): Tensor {
  return op([y, z, columns], {})[0];
}

/** Values `[count]` at these places among `width`, zeros elsewhere. */
function scatter(places: Tensor, values: Tensor, width: number): Tensor {
  return tf.scatterND(tf.reshape(places, [-1, 1]) as never, values, [width]);
}
