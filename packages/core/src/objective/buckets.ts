/**
 * Rounds a length up to 2ᵏ or 1.5·2ᵏ (at least 16), but not above `most`. Each shape is a trace and a session of its
 * own, so lengths fall into few buckets at a cost of at most a third of padding.
 */
export function bucketLength(length: number, most: number): number {
  let bucket = 16;
  while (bucket < length) bucket = (bucket & (bucket - 1)) === 0 ? bucket * 1.5 : (bucket / 3) * 4;
  return Math.max(length, Math.min(bucket, most));
}

/**
 * Rounds a count of weighted positions up to a quarter or all of the batch's positions: enough for the head to cost
 * little where only answers weigh, and but two programs for each length.
 */
export function bucketTargets(count: number, positions: number): number {
  return count * 4 <= positions ? Math.ceil(positions / 4) : positions;
}
