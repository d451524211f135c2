import { expect, it } from 'vitest';
import { randomKey, randomNormal } from '../random/mixer.js';
import { dequantizeBlocks, quantizeBlocks } from './block-quantization.js';
import { dynamicMap } from './dynamic-map.js';

/** Bounds of bitsandbytes' own test (tests/test_functional.py, `test_dynamic_blockwise_quantization`), on standard normal values. */
it.each([4096, 256, 64])('8-bit dynamic blocks of %i err as little as bitsandbytes expects', (blockSize) => {
  const key = randomKey(8, 'normal values');
  const values = Float32Array.from({ length: 512 * 512 }, (_, index) => randomNormal(key, index));
  const decoded = dequantizeBlocks(quantizeBlocks(values, dynamicMap(), blockSize), dynamicMap(), blockSize);
  let [absolute, relative] = [0, 0];
  decoded.forEach((value, index) => {
    const exact = values[index] as number;
    absolute += Math.abs(value - exact) / values.length;
    relative += Math.abs(value - exact) / (Math.abs(exact) + 1e-8) / values.length;
  });
  expect(absolute).toBeLessThan(0.011);
  expect(relative).toBeLessThan(0.018);
  expect(absolute).toBeGreaterThan(0.005);
});
