import { expect, it } from 'vitest';
import type { HostTensor } from './backend.js';
import type { Program } from './program.js';
import { validateInputs } from './validate-inputs.js';

const program: Program = {
  name: 'step',
  inputs: { tokens: { shape: [2, 3], dtype: 'int32' }, rate: { shape: [], dtype: 'float32' } },
  body: () => ({ outputs: {} }),
};
const rate: HostTensor = { dtype: 'float32', shape: [], data: new Float32Array(1) };
const tokens: HostTensor = { dtype: 'int32', shape: [2, 3], data: new Int32Array(6) };

it('accepts what is declared', () => {
  expect(() => validateInputs(program, { tokens, rate })).not.toThrow();
});

it.each<[string, Record<string, HostTensor>, RegExp]>([
  ['an unknown name', { tokens, rate, token: tokens }, /NAME_UNKNOWN at program step.*'token'.*tokens/],
  ['a missing input', { tokens }, /NAME_UNKNOWN at program step, input rate.*missing/],
  ['another shape', { rate, tokens: { ...tokens, shape: [3, 2] } }, /input tokens.*int32 \[2,3\].*int32 \[3,2\]/],
  ['another type', { rate, tokens: { ...rate, shape: [2, 3] } }, /expected int32.*got float32/],
  ['too few elements', { rate, tokens: { ...tokens, data: new Int32Array(5) } }, /6 elements.*5 elements/],
  ['the wrong array', { tokens, rate: { ...rate, data: new Float64Array(1) } as never }, /Float32Array.*Float64Array/],
])('refuses %s', (_, inputs, message) => {
  expect(() => validateInputs(program, inputs)).toThrow(message);
});
