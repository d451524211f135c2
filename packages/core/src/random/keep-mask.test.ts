import { describe, expect, it } from 'vitest';
import { fillKeepMask } from './keep-mask.js';
import { randomKey, randomNormal } from './mixer.js';

function mask(rows: number, width: number, firstRow: number, step = 3, site = 'layer.0', rate = 0.25): Uint8Array {
  const target = new Uint8Array(rows * width);
  fillKeepMask(target, [rows, width], site, rate, { seed: 7, step, firstRow });
  return target;
}

describe('fillKeepMask', () => {
  it('does not depend on how an accumulated batch is split', () => {
    const whole = mask(4, 33, 0);
    const halves = [...mask(2, 33, 0), ...mask(2, 33, 2)];
    expect([...whole]).toEqual(halves);
  });
  it('keeps a row prefix when the row grows, so padding changes nothing', () => {
    expect([...mask(1, 40, 2).slice(0, 32)]).toEqual([...mask(1, 32, 2)]);
  });
  it('drops the stated share, differently for another step, site and row', () => {
    const first = mask(1, 100_000, 0);
    const kept = first.reduce((sum, bit) => sum + bit, 0) / first.length;
    expect(Math.abs(kept - 0.75)).toBeLessThan(0.006);
    for (const other of [mask(1, 100_000, 1), mask(1, 100_000, 0, 4), mask(1, 100_000, 0, 3, 'layer.1')]) {
      const agreement = first.reduce((sum, bit, index) => sum + (bit === other[index] ? 1 : 0), 0) / first.length;
      expect(Math.abs(agreement - (0.75 ** 2 + 0.25 ** 2))).toBeLessThan(0.01);
    }
  });
});

describe('randomNormal', () => {
  it('has mean 0, variance 1 and kurtosis 3', () => {
    const key = randomKey(1, 'normal');
    const values = Array.from({ length: 100_000 }, (_, index) => randomNormal(key, index));
    const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / values.length;
    expect(Math.abs(moment(1))).toBeLessThan(0.02);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.02);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.15);
  });
});
