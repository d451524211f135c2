import { describe, expect, it } from 'vitest';
import type { OnnxModel } from '../emit/onnx-model.js';
import { overwriteProof } from './overwrite.js';

/** Nodes as `type inputs > output`. */
function model(...lines: string[]): OnnxModel {
  const nodes = lines.map((line, index) => {
    const [type, inputs, , output] = line.split(' ') as [string, string, string, string];
    return { name: `${index}`, type, domain: '', inputs: inputs.split(','), outputs: [output], attributes: {} };
  });
  return { name: 'sample', inputs: [], outputs: [], initializers: [], nodes };
}

function mayOverwrite(...lines: string[]): boolean {
  return overwriteProof(model(...lines))('old', 'new');
}

describe('overwriteProof', () => {
  it.each<[string, string[]]>([
    ['a moment: scaled and added to', ['Mul old,beta > kept', 'Mul gradient,rest > part', 'Add kept,part > new']],
    ['a writer that alone reads the old value', ['Sub old,delta > new']],
    ['a value that nothing reads', ['Add a,b > new']],
    [
      'a weight whose forward pass leads to its gradient through a product',
      ['Transpose old > t', 'MatMul x,t > y', 'Sub y,target > dy', 'MatMul dy,x > gradient', 'Sub old,gradient > new'],
    ],
    [
      'a weight that another gradient needs, when clipping joins all gradients',
      [
        'MatMul dy,old > below',
        'ReduceSum below > norm',
        'MatMul dy,x > gradient',
        'Mul gradient,norm > clipped',
        'Sub old,clipped > new',
      ],
    ],
  ])('proves %s', (_, lines) => {
    expect(mayOverwrite(...lines)).toBe(true);
  });

  it.each<[string, string[]]>([
    ['a reader that the writer does not depend on', ['Sub old,delta > new', 'MatMul dy,old > below']],
    [
      'one that hides behind a Transpose which fusion drops',
      ['Transpose old > t', 'MatMul x,t > y', 'ReduceSum y > s', 'Sub old,s > new', 'MatMul dy,t > below'],
    ],
    [
      'one that hides behind a scale which fusion drops',
      ['Mul old,two > doubled', 'Add doubled,delta > new', 'MatMul x,doubled > y'],
    ],
    ['the old value as an output', ['Sub old,delta > new', 'Identity old > output']],
    ['a product that the writer may be fused into', ['MatMul old,x > y', 'Add y,bias > new']],
    ['a rearrangement that the writer may be fused into', ['Transpose old > t', 'Add old,t > new']],
    ['a writer that is not elementwise', ['Softmax old > new']],
    ['a model without a writer', ['Sub old,delta > other']],
  ])('refuses %s', (_, lines) => {
    expect(mayOverwrite(...lines)).toBe(false);
  });
});
