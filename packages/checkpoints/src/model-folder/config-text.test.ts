import { expect, it } from 'vitest';
import { configText } from './config-text.js';

it('writes fractions as transformers takes them, and whole numbers as they are', () => {
  const config = {
    d_model: 1,
    initializer_factor: 1,
    router_jitter_noise: 0,
    rms_norm_eps: 1e-5,
    text: 'initializer_factor": 1',
  };
  const text = configText(config);
  expect(text).toContain('"initializer_factor": 1.0,');
  expect(text).toContain('"router_jitter_noise": 0.0,');
  expect(text).toContain('"d_model": 1,');
  expect(text).toContain('"rms_norm_eps": 0.00001');
  expect(JSON.parse(text)).toEqual(config);
});
