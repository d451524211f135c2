import type { Row } from '@tunesmith/core';
import { rowSource, type TinyModel, trainTiny } from '@tunesmith/testing';
import { expect } from 'vitest';

/** Takes two steps, and holds what is trained to having moved at the first. */
export async function expectMoved(tiny: TinyModel, rows: readonly Row[]): Promise<void> {
  const read = () =>
    Promise.all(tiny.model.trained.map(async (handle) => [handle.key, await tiny.parameters.read(handle)] as const));
  const before = new Map(await read());
  let moved = 0;
  const losses = await trainTiny(tiny, {
    ...{ steps: 2, rows: rowSource(rows) },
    async onEvent({ type }) {
      if (type !== 'step') return;
      for (const [key, values] of await read()) {
        moved = Math.max(moved, ...values.map((value, index) => Math.abs(value - (before.get(key)?.[index] ?? 0))));
      }
    },
  });
  expect(losses.every((loss) => Number.isFinite(loss) && loss > 0)).toBe(true);
  expect(moved).toBeGreaterThan(1e-3);
  tiny.parameters.tensors.dispose();
}
