/** The answers to sources that record_t5_training.py drew: the rows of five batches, then those of the probe. */
import { join } from 'node:path';
import type { Row } from '@tunesmith/core';
import { fixtures, readFixture } from './fixture-values.js';

export const rowsOfBatch = 4;
const [sourceLength, length] = [14, 10];

/** A source's padding is cut off. */
export async function recordedAnswers(): Promise<Row[]> {
  const file = await readFixture(join(fixtures, 't5-training', 'batches.safetensors'));
  return Array.from({ length: 6 * rowsOfBatch }, (_, row): Row => {
    const part = (name: string, width: number) =>
      (file.get(name) as Float32Array).slice(row * width, (row + 1) * width);
    const read = part('source_mask', sourceLength).filter((each) => each === 1).length;
    return {
      tokens: Int32Array.from(part('input_ids', length)),
      weights: part('weights', length),
      source: Int32Array.from(part('source_ids', sourceLength).subarray(0, read)),
    };
  });
}
