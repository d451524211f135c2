import { creation } from './creation.js';
import { elementwise } from './elementwise.js';
import { extensionOps } from './extension-ops.js';
import { indexing } from './indexing.js';
import { int8Products } from './int8.js';
import { int8ProductsInFloat } from './int8-in-float.js';
import { layout } from './layout.js';
import { products } from './matmul.js';
import type { OpTable } from './op-rule.js';
import { reductions } from './reductions.js';

/** Every kernel that a program may call, by name. */
export const opTable: OpTable = {
  ...elementwise,
  ...reductions,
  ...products,
  ...layout,
  ...indexing,
  ...creation,
  ...extensionOps,
  ...int8Products('signed'),
};

/** The kernels that are products of bytes. */
export const byteProducts: ReadonlySet<string> = new Set(Object.keys(int8Products('signed')));

/** For processors on which products of unsigned and signed bytes saturate. */
export const saturatingOpTable: OpTable = { ...opTable, ...int8Products('unsigned') };

/**
 * What WebGPU runs right: its shading language lets an implementation assume that there is no NaN and no infinity (WGSL,
 * "Floating point evaluation"), so that asking for them is answered wrongly without a word. It has no products of bytes.
 */
export const webgpuOpTable: OpTable = Object.fromEntries(
  Object.entries({ ...opTable, ...int8ProductsInFloat }).filter(
    ([kernel]) => !['IsNan', 'IsInf', 'IsFinite'].includes(kernel),
  ),
);
