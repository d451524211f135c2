import type { Backend } from '@tunesmith/core';
import { describe } from 'vitest';
import { suiteOptions } from '../suite-options.js';
import { describeErrors } from './describe-errors.js';
import { describeLifecycle } from './describe-lifecycle.js';
import { describeMasks } from './describe-masks.js';
import { describeOps } from './describe-ops.js';
import { describeStore } from './describe-store.js';

export interface DescribeBackendOptions {
  /** What multiplies the tolerance of an op's cases, by the op: 1 where not named, as on a float32 CPU. */
  readonly tolerances?: Readonly<Record<string, number>>;
  /** Cases that the backend cannot run, by name, and why; each must then fail with OP_UNSUPPORTED. */
  readonly lacks?: Readonly<Record<string, string>>;
  /** Cases whose elements are not the reference's, by name, and why; types and shapes are held all the same. */
  readonly differs?: Readonly<Record<string, string>>;
}

/**
 * The contract of a backend, as a suite for vitest: every op of the table in value and gradient, stores, updates, dropout
 * masks, errors, and lifetimes. The reference is TensorFlow.js's CPU backend, which the test imports.
 */
export function describeBackend(
  name: string,
  createBackend: () => Promise<Backend>,
  { tolerances = {}, lacks = {}, differs = {} }: DescribeBackendOptions = {},
): void {
  describe(`backend ${name}`, suiteOptions, () => {
    describeOps(createBackend, tolerances, lacks, differs);
    describeStore(createBackend);
    describeMasks(createBackend);
    describeErrors(createBackend);
    describeLifecycle(createBackend);
  });
}
