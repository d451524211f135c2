import { randomNormal, randomUniform } from '../random/mixer.js';
import { elementCount, type Initializer } from './handle.js';

export const zeros: Initializer = ({ shape }) => new Float32Array(elementCount(shape));

export function constant(value: number): Initializer {
  return ({ shape }) => new Float32Array(elementCount(shape)).fill(value);
}

/** N(0, deviation²). */
export function normal(deviation: number): Initializer {
  return ({ shape, key }) => {
    const values = new Float32Array(elementCount(shape));
    for (let index = 0; index < values.length; index++) values[index] = deviation * randomNormal(key, index);
    return values;
  };
}

/** U(−bound, bound). */
export function uniform(bound: number): Initializer {
  return ({ shape, key }) => {
    const values = new Float32Array(elementCount(shape));
    for (let index = 0; index < values.length; index++) values[index] = bound * (2 * randomUniform(key, index) - 1);
    return values;
  };
}

/**
 * Kaiming uniform with a = √5, as PyTorch initialises `nn.Linear` and PEFT its `lora_A`: U(−1/√fanIn, 1/√fanIn),
 * where fanIn is the last dimension of `[out, in]` (He et al. 2015; torch/nn/modules/linear.py).
 */
export function kaimingUniform(): Initializer {
  return (context) => uniform(1 / Math.sqrt(context.shape.at(-1) ?? 1))(context);
}
