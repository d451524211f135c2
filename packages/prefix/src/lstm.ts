import { linear, type Tensor, type Trace, tf, uniform } from '@tunesmith/core';
import type { EncoderScope, Layer } from './dense.js';

interface LstmShape {
  readonly inFeatures: number;
  readonly hidden: number;
  readonly layers: number;
}

/**
 * A bidirectional LSTM over one sequence, `[steps, inFeatures]` → `[steps, 2 · hidden]`, forward and backward side by side,
 * each layer over what the one below gives (Hochreiter & Schmidhuber 1997; PyTorch's `nn.LSTM`, its names and start).
 * Its steps are unrolled.
 */
export function lstm(scope: EncoderScope, name: string, { inFeatures, hidden, layers }: LstmShape): Layer {
  const stack = Array.from({ length: layers }, (_, layer) => {
    const width = layer === 0 ? inFeatures : 2 * hidden;
    const direction = (suffix: string, reversed: boolean): Layer =>
      oneDirection(scope, name, `l${layer}${suffix}`, [width, hidden], reversed);
    const [forward, backward] = [direction('', false), direction('_reverse', true)];
    return (t: Trace, x: Tensor): Tensor => tf.concat([forward(t, x), backward(t, x)], 1);
  });
  return (t, x) => stack.reduce((value, layer) => layer(t, value), x);
}

/**
 * i, f, g, o = W·x + b + U·h + c, the sigmoids of i, f, o and the tanh of g; cell ← f·cell + i·g; h ← o·tanh(cell).
 */
function oneDirection(
  scope: EncoderScope,
  name: string,
  suffix: string,
  [inFeatures, hidden]: readonly [number, number],
  reversed: boolean,
): Layer {
  const init = uniform(1 / Math.sqrt(hidden));
  const parameter = (kind: string, shape: readonly number[]) =>
    scope.parameter(`${name}.${kind}_${suffix}`, { shape, init });
  const inputWeight = parameter('weight_ih', [4 * hidden, inFeatures]);
  const stateWeight = parameter('weight_hh', [4 * hidden, hidden]);
  const inputBias = parameter('bias_ih', [4 * hidden]);
  const stateBias = parameter('bias_hh', [4 * hidden]);
  return (t, x) => {
    const steps = x.shape[0] as number;
    const fromInput = tf.add(linear(x, t.value(inputWeight)), tf.add(t.value(inputBias), t.value(stateBias))); // [steps, 4h]
    const weight = t.value(stateWeight);
    let state: { readonly h: Tensor; readonly cell: Tensor } | undefined;
    const outputs: Tensor[] = [];
    for (let count = 0; count < steps; count++) {
      const step = reversed ? steps - 1 - count : count;
      const own = tf.slice(fromInput, [step, 0], [1, 4 * hidden]);
      const gates = state === undefined ? own : tf.add(own, linear(state.h, weight)); // [1, 4h]
      const [i, f, g, o] = tf.split(gates, 4, 1) as [Tensor, Tensor, Tensor, Tensor];
      const input = tf.mul(tf.sigmoid(i), tf.tanh(g));
      const cell: Tensor = state === undefined ? input : tf.add(tf.mul(tf.sigmoid(f), state.cell), input);
      state = { h: tf.mul(tf.sigmoid(o), tf.tanh(cell)), cell };
      outputs[step] = state.h;
    }
    return tf.concat(outputs, 0); // [steps, hidden]
  };
}
