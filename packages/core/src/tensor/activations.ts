import { defineOp } from './define-op.js';
import { holdBack } from './hold-back.js';
import { type Tensor, tf } from './tfjs.js';

/** An activation function of one variable and its derivative. */
interface Curve {
  value(x: Tensor): Tensor;
  slope(x: Tensor): Tensor;
}

/** x · σ(x); slope σ(x) · (1 + x · (1 − σ(x))). */
const siluCurve: Curve = {
  value: (x) => tf.mul(x, tf.sigmoid(x)),
  slope: (x) => {
    const gate = tf.sigmoid(x);
    return tf.mul(gate, tf.add(tf.mul(x, tf.sub(1, gate)), 1));
  },
};

const normalCumulative = (x: Tensor): Tensor => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
const normalDensity = (x: Tensor): Tensor => tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));

/** x · Φ(x); slope Φ(x) + x · φ(x). */
const geluCurve: Curve = {
  value: (x) => tf.mul(x, normalCumulative(x)),
  slope: (x) => tf.add(normalCumulative(x), tf.mul(x, normalDensity(x))),
};

const tanhScale = Math.sqrt(2 / Math.PI);
const tanhCubic = 0.044715;
const tanhOfGelu = (x: Tensor): Tensor =>
  tf.tanh(tf.mul(x, tf.add(tf.mul(tf.square(x), tanhScale * tanhCubic), tanhScale)));

/** ½ · x · (1 + tanh u), u = √(2/π) · (x + 0.044715 · x³); slope ½ · (1 + tanh u) + ½ · x · (1 − tanh² u) · u′. */
const geluTanhCurve: Curve = {
  value: (x) => tf.mul(tf.mul(x, 0.5), tf.add(tanhOfGelu(x), 1)),
  slope: (x) => {
    const tanh = tanhOfGelu(x);
    const inner = tf.add(tf.mul(tf.square(x), 3 * tanhScale * tanhCubic), tanhScale);
    return tf.mul(tf.add(tf.add(tanh, 1), tf.mul(tf.mul(x, tf.sub(1, tf.square(tanh))), inner)), 0.5);
  },
};

/** Held back, so that nothing of the forward pass but `x` is kept: the curves are cheap to compute once more. */
function activation(name: string, { value, slope }: Curve): (x: Tensor) => Tensor {
  const op = defineOp<object, readonly [Tensor]>({
    name,
    compose: ([x]) => [value(x)],
    gradient: ([dy], [x]) => [() => tf.mul(dy, slope(holdBack(x, dy)))],
  });
  return (x) => op([x], {})[0];
}

/** An activated gate times `up`, keeping neither the activated gate nor its product for the gradient. */
function gatedUnit(name: string, { value, slope }: Curve): (gate: Tensor, up: Tensor) => Tensor {
  const op = defineOp<object, readonly [Tensor, Tensor]>({
    name,
    compose: ([gate, up]) => [tf.mul(value(gate), up)],
    gradient: ([dy], [gate, up]) => {
      const again = holdBack(gate, dy);
      return [() => tf.mul(tf.mul(dy, up), slope(again)), () => tf.mul(dy, value(again))];
    },
  });
  return (gate, up) => op([gate, up], {})[0];
}

/** silu(x) = x · σ(x), also called swish (Elfwing et al. 2017; Ramachandran et al. 2017). */
export const silu = activation('Silu', siluCurve);

/** gelu(x) = x · Φ(x), exactly, by the error function (Hendrycks and Gimpel 2016). */
export const gelu = activation('Gelu', geluCurve);

/** GELU's tanh approximation: `gelu_new` and `gelu_pytorch_tanh` of Hugging Face's configs. */
export const geluTanh = activation('GeluTanh', geluTanhCurve);

/** silu(gate) · up, of equal shapes (Shazeer 2020, "GLU variants improve transformer"). */
export const swiGlu = gatedUnit('SwiGlu', siluCurve);

const geGluExact = gatedUnit('GeGlu', geluCurve);
const geGluTanh = gatedUnit('GeGluTanh', geluTanhCurve);

/** gelu(gate) · up, of equal shapes (Shazeer 2020); `approximate` as in PyTorch. */
export function geGlu(gate: Tensor, up: Tensor, { approximate }: { approximate: 'none' | 'tanh' }): Tensor {
  return approximate === 'tanh' ? geGluTanh(gate, up) : geGluExact(gate, up);
}
