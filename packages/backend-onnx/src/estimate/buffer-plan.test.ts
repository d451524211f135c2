import { describe, expect, it } from 'vitest';
import type { TraceNode, Value } from '../trace/graph.js';
import { planBuffers } from './buffer-plan.js';

/** Value 0 is the program's input. */
const value = (id: number, shape: readonly number[] = [4, 4]): Value => ({
  ...{ id, shape, dtype: 'float32' },
  origin: id === 0 ? { kind: 'input', name: 'x' } : { kind: 'computed' },
});

const node = (kernel: string, output: Value, ...inputs: Value[]): TraceNode => ({
  ...{ kernel, attributes: {}, inputs, outputs: [output] },
});

/** The buffers of what each of these nodes makes. */
function buffers(...nodes: TraceNode[]): number[] {
  return buffersWith([], ...nodes);
}

function buffersWith(results: readonly Value[], ...nodes: TraceNode[]): number[] {
  const made = nodes.map(({ outputs: [output] }) => output as Value);
  return made.map(planBuffers({ name: 'sample', nodes, outputs: {}, updates: {} }, results));
}

const [x, a, b, c, d] = [0, 1, 2, 3, 4].map((id) => value(id)) as [Value, Value, Value, Value, Value];

describe('planBuffers', () => {
  it('computes in place, but never in what the program was given or still reads', () => {
    expect(buffers(node('Exp', a, x), node('Exp', b, a))).toEqual([1, 1]);
    expect(buffers(node('Exp', a, x), node('Exp', b, a), node('Add', c, b, a))).toEqual([1, 2, 2]);
    expect(buffers(node('BatchMatMul', a, x, x), node('BatchMatMul', b, a, a))).toEqual([1, 2]);
  });

  it('computes in place of the second operand where the first is read later', () => {
    expect(
      buffers(node('Exp', a, x), node('BatchMatMul', b, x, x), node('Add', c, a, b), node('Mod', d, a, c)),
    ).toEqual([1, 2, 2, 4]);
  });

  it('gives each result a buffer of its own, which nothing else is computed in', () => {
    expect(buffersWith([b], node('Exp', a, x), node('Exp', b, a), node('Exp', c, x))).toEqual([1, 2, 1]);
    expect(buffersWith([a], node('Exp', a, x), node('Exp', b, a))).toEqual([1, 2]);
    expect(buffersWith([value(2, [16])], node('Exp', a, x), node('Reshape', value(2, [16]), a))).toEqual([1, 2]);
  });

  it('does not compute in place of an operand of another shape', () => {
    const row = value(1, [1, 4]);
    expect(buffers(node('Exp', row, x), node('Add', b, row, x))).toEqual([1, 2]);
  });

  it('gives the buffer that was freed last, to the same shape alone', () => {
    const product = (output: Value, input: Value) => node('BatchMatMul', output, input, input);
    expect(buffers(product(a, x), product(b, a), product(c, b), product(d, c))).toEqual([1, 2, 1, 2]);
    expect(buffers(product(a, x), product(b, a), product(value(3, [2, 8]), b), product(d, value(3, [2, 8])))).toEqual([
      1, 2, 3, 2,
    ]);
  });

  it('lays a reshape into its operand, which so is read as long as the reshape', () => {
    const flat = value(2, [16]);
    expect(buffers(node('Exp', a, x), node('Reshape', flat, a), node('Exp', c, x), node('Add', d, c, flat))).toEqual([
      1, 1, 3, 3,
    ]);
  });

  it('keeps apart what lies behind a barrier, until its shape is known again', () => {
    expect(buffers(node('Exp', a, x), node('HoldBack', b, a, x), node('Exp', c, b))).toEqual([1, 1, 3]);
    const known = value(2, [16]);
    expect(buffers(node('HoldBack', a, x, x), node('Reshape', known, a), node('Exp', value(3, [16]), known))).toEqual([
      0, 0, 3,
    ]);
    expect(buffers(node('HoldBack', a, x, x), node('Exp', b, a), node('Add', c, b, x), node('Exp', d, c))).toEqual([
      0, 2, 3, 3,
    ]);
  });
});
