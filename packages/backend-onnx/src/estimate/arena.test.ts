import { describe, expect, it } from 'vitest';
import { createArena } from './arena.js';

const kilobyte = 1024;

describe('createArena', () => {
  it('uses again what was released, joined with free neighbours', () => {
    const arena = createArena();
    const chunks = [100, 200, 300].map((size) => arena.allocate(size * kilobyte));
    expect(arena.touchedBytes()).toBe(600 * kilobyte);
    for (const chunk of chunks) arena.release(chunk);
    arena.allocate(600 * kilobyte);
    expect(arena.touchedBytes()).toBe(600 * kilobyte);
  });

  it('takes the smallest gap that fits and leaves one that does not', () => {
    const arena = createArena();
    const [small, , large, last] = [100, 10, 200, 10].map((size) => arena.allocate(size * kilobyte));
    arena.release(large as never);
    arena.release(small as never);
    expect(arena.allocate(90 * kilobyte)).toMatchObject({ region: 0, start: 0 });
    expect(arena.allocate(250 * kilobyte)).toMatchObject({ start: 320 * kilobyte });
    expect(last).toMatchObject({ start: 310 * kilobyte });
    expect(arena.touchedBytes()).toBe(570 * kilobyte);
  });

  it('grows by regions that double, and by what does not fit into one', () => {
    const arena = createArena();
    const regions = [900, 900, 900, 900, 9000, 900].map((size) => arena.allocate(size * kilobyte).region);
    expect(regions).toEqual([0, 1, 1, 2, 3, 2]);
  });

  it('rounds to 256 bytes', () => {
    const arena = createArena();
    arena.allocate(1);
    arena.allocate(257);
    expect(arena.touchedBytes()).toBe(256 + 512);
  });
});
