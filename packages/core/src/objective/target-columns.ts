import type { HostTensor } from '../program/backend.js';
import { bucketTargets } from './buckets.js';
import type { Row } from './row.js';

/** A token to be predicted. */
export interface Target {
  /** The row of the batch that it stands in. */
  readonly row: number;
  /** Flat index of the position that predicts it. */
  readonly position: number;
  readonly token: number;
  readonly weight: number;
}

/** Every token that weighs something, with the flat index of the position before it, which predicts it. */
export function weightedTargets(
  rows: readonly Pick<Row, 'tokens' | 'weights' | 'segments'>[],
  length: number,
): Target[] {
  const targets: Target[] = [];
  rows.forEach(({ tokens, weights, segments }, row) => {
    for (let index = 1; index < tokens.length; index++) {
      const weight = weights[index] as number;
      // The first token of a packed example is not predicted from the example before it.
      const startsSegment = segments !== undefined && segments[index] !== segments[index - 1];
      if (weight === 0 || startsSegment) continue;
      targets.push({ row, position: row * length + index - 1, token: tokens[index] as number, weight });
    }
  });
  return targets;
}

/** Targets as columns of a batch with so many positions, filled up with targets that weigh nothing. */
export interface TargetColumns {
  /** int32 `[count]` */
  readonly targetPositions: HostTensor;
  /** int32 `[count]` */
  readonly targets: HostTensor;
  /** int32 `[count]`: the row of each. */
  readonly targetRows: HostTensor;
  /** float32 `[count]` */
  readonly targetWeights: HostTensor;
}

export function targetColumns(targets: readonly Target[], positions: number): TargetColumns {
  const count = bucketTargets(targets.length, positions);
  const int32 = (of: (target: Target) => number): HostTensor => {
    const data = new Int32Array(count);
    for (const [index, target] of targets.entries()) data[index] = of(target);
    return { dtype: 'int32', shape: [count], data };
  };
  const weights = new Float32Array(count);
  for (const [index, { weight }] of targets.entries()) weights[index] = weight;
  return {
    targetPositions: int32(({ position }) => position),
    targets: int32(({ token }) => token),
    targetRows: int32(({ row }) => row),
    targetWeights: { dtype: 'float32', shape: [count], data: weights },
  };
}
