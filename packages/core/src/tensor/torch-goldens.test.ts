import { readFileSync } from 'node:fs';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { geGlu, gelu, geluTanh, silu, swiGlu } from './activations.js';
import { attention } from './attention.js';
import { attentionMask } from './attention-mask.js';
import { layerNorm } from './layer-norm.js';
import { linearCrossEntropy, logProbabilities } from './linear-cross-entropy.js';
import { rmsNorm } from './rms-norm.js';
import { rotary, rotaryTable } from './rotary.js';
import { type Named, type Tensor, tf } from './tfjs.js';

const folder = new URL('../../../../parity/fixtures/ops/', import.meta.url);

/** The tensors of one recorded case: see parity/record_ops.py. */
function recorded(name: string): Named<Tensor> {
  const bytes = readFileSync(new URL(`${name}.safetensors`, folder));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header: Named<{ dtype: string; shape: number[]; data_offsets: [number, number] }> = JSON.parse(
    bytes.toString('utf8', 8, start),
  );
  const tensors: Named<Tensor> = {};
  for (const [
    key,
    {
      dtype,
      shape,
      data_offsets: [from, to],
    },
  ] of Object.entries(header)) {
    if (key === '__metadata__') continue;
    const data = new Uint8Array(bytes.subarray(start + from, start + to)).buffer;
    const isFloat = dtype === 'F32';
    tensors[key] = tf.tensor(
      isFloat ? new Float32Array(data) : new Int32Array(data),
      shape,
      isFloat ? 'float32' : 'int32',
    );
  }
  return tensors;
}

type Case = [name: string, op: (inputs: Named<Tensor>) => Tensor];

const epsilon = 1e-4;
const scale = 8 ** -0.5;
const loss = (logProbability: Tensor, weights: Tensor): Tensor => tf.neg(tf.sum(tf.mul(logProbability, weights)));

function attentionCase(name: string, causal: boolean, window?: number): Case {
  return [
    `attention-${name}`,
    ({ query, key, value, segments }) => {
      const mask = segments && attentionMask(segments, segments);
      return attention({ query: query!, key: key!, value: value!, mask }, { scale, causal, window });
    },
  ];
}

const cases: Case[] = [
  ['rms-norm', ({ x, weight }) => rmsNorm(x!, weight!, epsilon)],
  ['layer-norm', ({ x, weight, bias }) => layerNorm(x!, weight!, bias!, epsilon)],
  [
    'rotary',
    ({ x, positions }) => {
      const frequencies = [0, 2, 4, 6].map((index) => 100 ** (-index / 8));
      const { cosine, sine } = rotaryTable(positions!, frequencies);
      return rotary(x!, cosine, sine);
    },
  ],
  attentionCase('bidirectional', false),
  attentionCase('causal', true),
  attentionCase('causal-segments', true),
  attentionCase('bidirectional-segments', false),
  attentionCase('sliding-window', true, 3),
  ['gelu', ({ x }) => gelu(x!)],
  ['gelu-new', ({ x }) => geluTanh(x!)],
  ['silu', ({ x }) => silu(x!)],
  ['swiglu', ({ gate, up }) => swiGlu(gate!, up!)],
  ['geglu', ({ gate, up }) => geGlu(gate!, up!, { approximate: 'none' })],
  ['geglu-tanh', ({ gate, up }) => geGlu(gate!, up!, { approximate: 'tanh' })],
  ['cross-entropy', ({ logits, labels, weights }) => loss(logProbabilities(logits!, labels!), weights!)],
  [
    'cross-entropy-selected',
    ({ hidden, head, positions, labels, weights }) => {
      const rows = tf.gather(tf.reshape(hidden!, [-1, hidden!.shape.at(-1)!]), positions!);
      return loss(linearCrossEntropy(rows, head!, labels!), weights!);
    },
  ],
];

describe.each(cases)('torch: %s', (name, op) => {
  beforeAll(() => tf.setBackend('cpu'));

  it('agrees in value and every gradient', async () => {
    const { upstream, output, ...rest } = recorded(name);
    const names = Object.keys(rest).flatMap((key) => (key.startsWith('gradient.') ? [key.slice(9)] : []));
    const weigh = (...xs: Tensor[]): Tensor => {
      const inputs = { ...rest, ...Object.fromEntries(names.map((each, index) => [each, xs[index]!])) };
      return tf.sum(tf.mul(op(inputs), upstream!));
    };
    await expectClose(op(rest), output!);
    const gradients = tf.grads(weigh as never)(names.map((each) => rest[each]!));
    expect(gradients.length).toBeGreaterThan(0);
    for (const [index, gradient] of gradients.entries()) await expectClose(gradient, rest[`gradient.${names[index]}`]!);
  });
});

/** torch computed in float64; float32 may differ by a few roundings of the largest element. */
async function expectClose(actual: Tensor, expected: Tensor): Promise<void> {
  expect(actual.shape).toEqual(expected.shape);
  const [difference, largest] = [tf.max(tf.abs(tf.sub(actual, expected))), tf.max(tf.abs(expected))];
  expect((await difference.data())[0]! / (await largest.data())[0]!).toBeLessThan(1e-6);
}
