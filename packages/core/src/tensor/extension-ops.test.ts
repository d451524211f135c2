import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { randomKey, randomNormal } from '../random/mixer.js';
import { geGlu, gelu, geluTanh, silu, swiGlu } from './activations.js';
import { type AttentionAttributes, attention } from './attention.js';
import { checkpoint } from './checkpoint.js';
import { holdBack } from './hold-back.js';
import { layerNorm } from './layer-norm.js';
import { linear } from './linear.js';
import { linearCrossEntropy, logProbabilities, weightedLinearCrossEntropy } from './linear-cross-entropy.js';
import { rmsNorm } from './rms-norm.js';
import { rotary, rotaryTable } from './rotary.js';
import { type Shape, type Tensor, tf } from './tfjs.js';

/** An op beside the formula it stands for, written naively in TensorFlow.js's own ops, whose tape gives the gradient. */
interface Case {
  readonly name: string;
  readonly shapes: readonly Shape[];
  readonly op: (...inputs: Tensor[]) => Tensor;
  readonly naive: (...inputs: Tensor[]) => Tensor;
}

const naiveGelu = (x: Tensor): Tensor => tf.mul(tf.mul(0.5, x), tf.add(1, tf.erf(tf.div(x, Math.SQRT2))));
const naiveSilu = (x: Tensor): Tensor => tf.div(x, tf.add(tf.exp(tf.neg(x)), 1));
const naiveGeluTanh = (x: Tensor): Tensor => {
  const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.mul(x, tf.square(x)))));
  return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(inner)));
};

function naiveLayerNorm(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-3))), weight), bias);
}

const positions = (): Tensor => tf.tensor2d([0, 1, 2, 5, 6, 7], [2, 3], 'int32');
const inverseFrequencies = [1, 0.3];

/** x · cos + rotateHalf(x) · sin over the doubled tables, as transformers writes it. */
function naiveRotary(x: Tensor): Tensor {
  const { cosine, sine } = rotaryTable(positions(), inverseFrequencies);
  const half = x.shape[3]! / 2;
  const first = tf.slice(x, [0, 0, 0, 0], [-1, -1, -1, half]);
  const second = tf.slice(x, [0, 0, 0, half], [-1, -1, -1, half]);
  const rotated = tf.concat([tf.neg(second), first], -1);
  return tf.add(tf.mul(x, tf.concat([cosine, cosine], -1)), tf.mul(rotated, tf.concat([sine, sine], -1)));
}

/** Attention with repeated keys, as transformers' eager form does it. */
function naiveAttention(attributes: AttentionAttributes): (...inputs: Tensor[]) => Tensor {
  return (query, key, value, mask) => {
    const [, heads = 0, length = 0] = query.shape;
    const [, keyHeads = 0, keys = 0] = key.shape;
    const repeated = (x: Tensor): Tensor =>
      tf.concat(
        Array.from({ length: heads }, (_, head) =>
          tf.slice(x, [0, Math.floor((head * keyHeads) / heads), 0, 0], [-1, 1, -1, -1]),
        ),
        1,
      );
    let scores = tf.mul(tf.matMul(query, repeated(key), false, true), attributes.scale);
    const visible = Float32Array.from({ length: length * keys }, (_, index) => {
      const own = Math.floor(index / keys) + keys - length;
      const other = index % keys;
      const within = attributes.window === undefined || other > own - attributes.window;
      return (!attributes.causal || other <= own) && within ? 0 : -1e30;
    });
    scores = tf.add(scores, tf.tensor(visible, [1, 1, length, keys]));
    if (mask) scores = tf.add(scores, mask);
    return tf.matMul(tf.softmax(scores), repeated(value));
  };
}

function attentionCase(name: string, shapes: Shape[], attributes: AttentionAttributes): Case {
  return {
    name: `attention, ${name}`,
    shapes,
    op: (query, key, value, mask) => attention({ query: query, key: key, value: value, mask }, attributes),
    naive: naiveAttention(attributes),
  };
}

const labels = (): Tensor => tf.tensor1d([2, 0, 6, 2], 'int32');
const own = (logits: Tensor): Tensor => tf.sum(tf.mul(tf.logSoftmax(logits), tf.oneHot(labels() as never, 7)), -1);

const self: Shape = [2, 4, 5, 3];
const grouped: Shape = [2, 2, 5, 3];
const prefixed: Shape = [2, 2, 8, 3];

const cases: Case[] = [
  { name: 'silu', shapes: [[3, 5]], op: (x) => silu(x), naive: (x) => naiveSilu(x) },
  { name: 'gelu', shapes: [[3, 5]], op: (x) => gelu(x), naive: (x) => naiveGelu(x) },
  { name: 'geluTanh', shapes: [[3, 5]], op: (x) => geluTanh(x), naive: (x) => naiveGeluTanh(x) },
  {
    name: 'swiGlu',
    shapes: [
      [2, 3, 4],
      [2, 3, 4],
    ],
    op: (gate, up) => swiGlu(gate, up),
    naive: (gate, up) => tf.mul(naiveSilu(gate), up),
  },
  {
    name: 'geGlu',
    shapes: [
      [2, 7],
      [2, 7],
    ],
    op: (gate, up) => geGlu(gate, up, { approximate: 'none' }),
    naive: (gate, up) => tf.mul(naiveGelu(gate), up),
  },
  {
    name: 'geGlu, by tanh',
    shapes: [
      [2, 7],
      [2, 7],
    ],
    op: (gate, up) => geGlu(gate, up, { approximate: 'tanh' }),
    naive: (gate, up) => tf.mul(naiveGeluTanh(gate), up),
  },
  {
    name: 'linear',
    shapes: [
      [2, 3, 4],
      [5, 4],
    ],
    op: (x, weight) => linear(x, weight),
    naive: (x, weight) => tf.reshape(tf.dot(tf.reshape(x, [6, 4]), tf.transpose(weight)), [2, 3, 5]),
  },
  {
    name: 'rmsNorm',
    shapes: [[2, 3, 5], [5]],
    op: (x, weight) => rmsNorm(x, weight, 1e-3),
    naive: (x, weight) => tf.mul(tf.div(x, tf.sqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-3))), weight),
  },
  {
    name: 'layerNorm',
    shapes: [[2, 3, 5], [5], [5]],
    op: (x, weight, bias) => layerNorm(x, weight, bias, 1e-3),
    naive: (x, weight, bias) => naiveLayerNorm(x, weight, bias),
  },
  {
    name: 'rotary',
    shapes: [[2, 3, 3, 4]],
    op: (x) => {
      const { cosine, sine } = rotaryTable(positions(), inverseFrequencies);
      return rotary(x, cosine, sine);
    },
    naive: (x) => naiveRotary(x),
  },
  attentionCase('full', [self, self, self], { scale: 0.5, causal: false }),
  attentionCase('causal', [self, self, self], { scale: 0.5, causal: true }),
  attentionCase('grouped', [self, grouped, grouped], { scale: 0.5, causal: true }),
  attentionCase('prefix', [self, prefixed, prefixed], { scale: 0.5, causal: true }),
  attentionCase('window', [self, prefixed, prefixed], { scale: 0.5, causal: true, window: 2 }),
  attentionCase('mask', [self, grouped, grouped, [2, 1, 5, 5]], { scale: 0.5, causal: true }),
  attentionCase('a bias per head', [self, prefixed, prefixed, [1, 4, 5, 8]], { scale: 0.5, causal: false }),
  attentionCase('one query', [[2, 4, 1, 3], prefixed, prefixed], { scale: 0.5, causal: true }),
  {
    name: 'linearCrossEntropy',
    shapes: [
      [4, 5],
      [7, 5],
    ],
    op: (hidden, weight) => linearCrossEntropy(hidden, weight, labels()),
    naive: (hidden, weight) => own(tf.matMul(hidden, weight, false, true)),
  },
  {
    name: 'linearCrossEntropy, in chunks of three rows and one',
    shapes: [
      [4, 5],
      [7, 5],
    ],
    op: (hidden, weight) => linearCrossEntropy(hidden, weight, labels(), { logitsAtOnce: 21 }),
    naive: (hidden, weight) => own(tf.matMul(hidden, weight, false, true)),
  },
  ...[undefined, { logitsAtOnce: 21 }].map((chunking) => ({
    name: `weightedLinearCrossEntropy${chunking === undefined ? '' : ', in chunks of three rows and one'}`,
    shapes: [[4, 5], [7, 5], [4]],
    op: (hidden: Tensor, weight: Tensor, rowWeights: Tensor) =>
      weightedLinearCrossEntropy(hidden, weight, labels(), rowWeights, chunking),
    naive: (hidden: Tensor, weight: Tensor, rowWeights: Tensor) =>
      tf.sum(tf.mul(own(tf.matMul(hidden, weight, false, true)), rowWeights)),
  })),
  {
    name: 'logProbabilities',
    shapes: [[4, 7]],
    op: (logits) => logProbabilities(logits, labels()),
    naive: (logits) => own(logits),
  },
  {
    name: 'holdBack',
    shapes: [[3], [2]],
    op: (x, after) => tf.concat([tf.square(holdBack(x, after)), after]),
    naive: (x, after) => tf.concat([tf.square(x), after]),
  },
  {
    name: 'checkpoint',
    shapes: [[4, 5], [5], [3, 5]],
    op: (x, norm, weight) => {
      const [y, z] = checkpoint(
        ([a, b, c]) => {
          const normed = rmsNorm(a!, b!, 1e-3);
          return [tf.tanh(linear(normed, c!)), tf.exp(normed)];
        },
        [x, norm, weight],
      );
      return tf.concat([y!, z!], 1);
    },
    naive: (x, norm, weight) => {
      const normed = rmsNorm(x, norm, 1e-3);
      return tf.concat([tf.tanh(linear(normed, weight)), tf.exp(normed)], 1);
    },
  },
  {
    name: 'linearCrossEntropy in a checkpoint',
    shapes: [
      [4, 5],
      [7, 5],
    ],
    op: (hidden, weight) => checkpoint(([h, w]) => [linearCrossEntropy(h!, w!, labels())], [hidden, weight])[0]!,
    naive: (hidden, weight) => own(tf.matMul(hidden, weight, false, true)),
  },
  {
    name: 'checkpoint in a checkpoint',
    shapes: [
      [4, 5],
      [5, 5],
    ],
    op: (x, weight) => {
      const layer = (inputs: readonly Tensor[]): Tensor[] => [tf.tanh(linear(inputs[0]!, inputs[1]!))];
      const twice = ([a, b]: readonly Tensor[]): Tensor[] => checkpoint(layer, [checkpoint(layer, [a!, b!])[0]!, b!]);
      return tf.square(checkpoint(twice, [tf.sin(x), weight])[0]!);
    },
    naive: (x, weight) => tf.square(tf.tanh(linear(tf.tanh(linear(tf.sin(x), weight)), weight))),
  },
];

/** Standard normal values that differ between inputs and tests. */
function draw(shape: Shape, ...key: (string | number)[]): Tensor {
  const size = shape.reduce((product, each) => product * each, 1);
  const keyed = randomKey(...key);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, index) => randomNormal(keyed, index)),
    [...shape],
  );
}

/** A loss that weighs every element of y differently. */
function weighted(f: Case['op'], inputs: Tensor[]): Tensor {
  const y = f(...inputs);
  return tf.sum(tf.mul(y, draw(y.shape, 'upstream')));
}

function gradients(f: Case['op'], inputs: Tensor[]): Tensor[] {
  return tf.grads(((...xs: Tensor[]) => weighted(f, xs)) as never)(inputs);
}

async function distance(actual: Tensor, expected: Tensor): Promise<number> {
  expect(actual.shape).toEqual(expected.shape);
  return (await tf.max(tf.abs(tf.sub(actual, expected))).data())[0]!;
}

describe.each(cases)('$name', ({ name, shapes, op, naive }) => {
  const inputs = (): Tensor[] => shapes.map((shape, index) => draw(shape, name, index));
  beforeAll(() => tf.setBackend('cpu'));

  it('has the value of its formula', async () => {
    expect(await distance(op(...inputs()), naive(...inputs()))).toBeLessThan(2e-6);
  });

  it("has the gradient of its formula's tape", async () => {
    const expected = gradients(naive, inputs());
    for (const [index, gradient] of gradients(op, inputs()).entries()) {
      expect(await distance(gradient, expected[index]!)).toBeLessThan(1e-5);
    }
  });

  it('has the gradient of finite differences', async () => {
    const actual = gradients(op, inputs());
    for (const [index, shape] of shapes.entries()) {
      // Along one random direction per input; float32 leaves about 1e-7 / step of noise, the step² of curvature.
      const step = 4e-3;
      const direction = draw(shape, name, index, 'direction');
      const shifted = (sign: number): Tensor =>
        weighted(
          op,
          inputs().map((x, other) => (other === index ? tf.add(x, tf.mul(direction, sign * step)) : x)),
        );
      const slope = tf.div(tf.sub(shifted(1), shifted(-1)), 2 * step);
      const expected = tf.sum(tf.mul(actual[index]!, direction));
      const scale = Math.max(1, Math.abs((await expected.data())[0]!));
      expect((await distance(slope, expected)) / scale).toBeLessThan(4e-3);
    }
  });

  it('leaves nothing behind', () => {
    gradients(op, inputs()); // registers kernels and whatever is made once
    const before = tf.memory().numTensors;
    tf.tidy(() => void gradients(op, inputs()));
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('linearCrossEntropy', () => {
  const products = async (f: () => Tensor): Promise<number> => {
    const { kernels } = await tf.profile(f);
    return kernels.filter(({ name }) => name === 'BatchMatMul').length;
  };
  const hidden = draw([4, 5], 'hidden');
  const weight = draw([7, 5], 'weight');

  it('computes the direction of its gradient only when a gradient may be asked for', async () => {
    const loss = (x: Tensor): Tensor => tf.sum(linearCrossEntropy(x, weight, labels()));
    expect(await products(() => loss(hidden))).toBe(1);
    expect(await products(() => tf.grad(loss)(hidden))).toBe(2);
  });

  it('computes its logits once where the head is trained, and again where their rows are not weighed', async () => {
    const summed = (x: Tensor, w: Tensor): Tensor => weightedLinearCrossEntropy(x, w, labels(), tf.ones([4]));
    const rows = (x: Tensor, w: Tensor): Tensor => tf.sum(linearCrossEntropy(x, w, labels()));
    expect(await products(() => summed(hidden, weight))).toBe(1);
    expect(await products(() => tf.grads(summed)([hidden, weight])[0]!)).toBe(3);
    expect(await products(() => tf.grads(rows)([hidden, weight])[0]!)).toBe(4);
  });
});

describe('checkpoint', () => {
  it('keeps its inputs and outputs, and nothing in between, until the gradient', async () => {
    const layers = (x: Tensor): Tensor => {
      let y = x;
      for (let layer = 0; layer < 10; layer++) y = tf.tanh(tf.add(y, 1));
      return y;
    };
    const heldAt = (f: (x: Tensor) => Tensor): number => {
      let held = 0;
      tf.tidy(() => {
        const before = tf.memory().numBytes;
        const measure = tf.customGrad((y) => {
          held = tf.memory().numBytes - before;
          return { value: tf.clone(y as Tensor), gradFunc: (dy) => dy };
        });
        tf.grad((x) => measure(f(x)))(tf.ones([1000]));
      });
      return held;
    };
    const checkpointed = heldAt((x) => checkpoint(([each]) => [layers(each!)], [x])[0]!);
    expect(heldAt(layers)).toBeGreaterThanOrEqual(10 * 4000);
    expect(checkpointed).toBeLessThanOrEqual(3 * 4000);
  });
});
