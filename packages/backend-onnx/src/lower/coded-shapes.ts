import type { MatrixShape } from '@tunesmith/core';
import type { Value } from '../trace/graph.js';
import type { OpRule } from './op-rule.js';

/** What x [.., columns] times a matrix kept as codes is: [.., rows]. */
export const productShape: OpRule['infer'] = ([x], attributes) => {
  const { rows, columns } = attributes as unknown as MatrixShape;
  const { shape } = x as Value;
  if (shape.at(-1) !== columns) throw new Error('the inner dimensions differ');
  return [{ shape: [...shape.slice(0, -1), rows], dtype: 'float32' }];
};

/** What a matrix kept as codes stands for: [rows, columns]. */
export const matrixShape: OpRule['infer'] = (_, attributes) => {
  const { rows, columns } = attributes as unknown as MatrixShape;
  return [{ shape: [rows, columns], dtype: 'float32' }];
};
