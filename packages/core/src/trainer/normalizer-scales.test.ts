import { describe, expect, it } from 'vitest';
import { normalizerScales } from './normalizer-scales.js';

const whole = { what: 'batch', where: 'step 3' };

describe('normalizerScales', () => {
  it('divides by what there is, and takes a term of which there is nothing for 0', () => {
    const scales = Object.values(normalizerScales({ rows: 4, good: 0 }, whole));
    expect(scales.map(({ data }) => data[0])).toEqual([0.25, 0]);
  });
  it('refuses a batch that has nothing of any', () => {
    expect(() => normalizerScales({ weight: 0 }, whole)).toThrow(
      /DATA_INVALID at step 3: no token of the batch has a loss weight/,
    );
  });
});
