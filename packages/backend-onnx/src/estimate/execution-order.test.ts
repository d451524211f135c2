import { expect, it } from 'vitest';
import type { TraceNode, Value } from '../trace/graph.js';
import { inExecutionOrder } from './execution-order.js';

const value = (id: number): Value => ({ id, shape: [2], dtype: 'float32', origin: { kind: 'computed' } });

/** Nodes by what they make: value `id` of values `inputs`. */
function order(made: readonly (readonly [id: number, ...inputs: number[]])[]): number[] {
  const nodes = made.map(
    ([id, ...inputs]): TraceNode => ({
      ...{ kernel: 'Any', attributes: {}, inputs: inputs.map(value), outputs: [value(id)] },
    }),
  );
  const program = { name: 'sample', nodes, outputs: {}, updates: {} };
  return inExecutionOrder(program).nodes.map(({ outputs }) => outputs[0]?.id as number);
}

it('goes into operands first, the one first that was made first', () => {
  // Logits 1, their softmax 2, the maxima 3 and 4 of both: 3 goes before 2, which may then overwrite 1.
  expect(
    order([
      [1, 0],
      [2, 1],
      [3, 1],
      [4, 2],
      [5, 4, 3],
    ]),
  ).toEqual([1, 3, 2, 4, 5]);
});

it('takes results in the order of their making, and what they share once', () => {
  expect(
    order([
      [1, 0],
      [2, 0],
      [3, 1],
      [4, 2],
      [5, 1, 1],
    ]),
  ).toEqual([1, 3, 2, 4, 5]);
});

it('does not take what a result needs before the result', () => {
  expect(
    order([
      [1, 0],
      [2, 0],
      [3, 2],
      [4, 1],
    ]),
  ).toEqual([2, 3, 1, 4]);
});
