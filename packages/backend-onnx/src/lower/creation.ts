import type { Dtype, TensorSpec } from '@tunesmith/core';
import type { Value } from '../trace/graph.js';
import type { OpRule, OpTable, ValueMaker } from './op-rule.js';

type Maker = Pick<ValueMaker, 'fill' | 'constant'>;

/** A kernel whose result is known while tracing, so that it needs no lowering. */
function known(
  make: (maker: Maker, inputs: readonly Value[], attributes: Readonly<Record<string, unknown>>) => Value,
): OpRule {
  const specs: Maker = { fill: (spec) => spec as Value, constant: (spec) => spec as Value };
  return {
    infer: (inputs, attributes): readonly TensorSpec[] => [make(specs, inputs, attributes)],
    fold: (inputs, attributes, maker) => make(maker, inputs, attributes),
    lower: () => {
      throw new Error('a known value has no node');
    },
  };
}

function likeFirst(value: number): OpRule {
  return known((maker, [x]) => maker.fill({ shape: (x as Value).shape, dtype: (x as Value).dtype }, value));
}

function sequence(count: number, at: (index: number) => number): number[] {
  return Array.from({ length: count }, (_, index) => at(index));
}

/** Kernels that make tensors out of attributes. */
export const creation: OpTable = {
  Fill: known((maker, _, { shape, value, dtype }) =>
    maker.fill({ shape: shape as number[], dtype: (dtype as Dtype | undefined) ?? 'float32' }, Number(value)),
  ),
  ZerosLike: likeFirst(0),
  OnesLike: likeFirst(1),
  Range: known((maker, _, attributes) => {
    const { start, stop, step, dtype } = attributes as { start: number; stop: number; step: number; dtype: Dtype };
    const ascends = start < stop;
    const empty = start === stop || (ascends && step < 0) || (!ascends && step > 1);
    // A default step of 1 counts down where stop lies below start.
    const stride = !ascends && step === 1 ? -1 : step;
    const data = empty ? [] : sequence(Math.abs(Math.ceil((stop - start) / stride)), (index) => start + index * stride);
    return maker.constant({ shape: [data.length], dtype }, data);
  }),
  LinSpace: known((maker, _, attributes) => {
    const { start, stop, num } = attributes as { start: number; stop: number; num: number };
    const step = (stop - start) / (num - 1);
    return maker.constant(
      { shape: [num], dtype: 'float32' },
      sequence(num, (index) => start + index * (num > 1 ? step : 0)),
    );
  }),
};
