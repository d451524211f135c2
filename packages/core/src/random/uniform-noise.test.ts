import { describe, expect, it } from 'vitest';
import { fillUniform, type NoiseScope } from './uniform-noise.js';

function noise(scope: NoiseScope, rows: number, width: number, firstRow: number, step = 3): Float32Array {
  const target = new Float32Array(rows * width);
  fillUniform(target, [rows, width], 'site', scope, { seed: 7, step, firstRow });
  return target;
}

describe('fillUniform', () => {
  it('gives a row what it has however a batch is split, and a step the same for each part of it', () => {
    expect([...noise('row', 4, 33, 0)]).toEqual([...noise('row', 2, 33, 0), ...noise('row', 2, 33, 2)]);
    expect(noise('step', 4, 33, 0)).toEqual(noise('step', 4, 33, 8));
    expect(noise('step', 4, 33, 0)).not.toEqual(noise('step', 4, 33, 0, 4));
    expect(noise('row', 1, 33, 0)).not.toEqual(noise('step', 1, 33, 0));
  });

  it('is uniform in [0, 1): its moments, and a tenth of it in every tenth', () => {
    const values = noise('step', 1, 100_000, 0);
    const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / values.length;
    for (const power of [1, 2, 3]) expect(moment(power)).toBeCloseTo(1 / (power + 1), 2);
    const tenths = new Int32Array(10);
    for (const value of values) tenths[Math.floor(10 * value)] = (tenths[Math.floor(10 * value)] as number) + 1;
    for (const count of tenths) expect(Math.abs(count / values.length - 0.1)).toBeLessThan(0.004);
    expect(Math.max(...values.slice(0, 50_000))).toBeLessThan(1);
  });
});
