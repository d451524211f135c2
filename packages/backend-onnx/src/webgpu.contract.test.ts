import '@tensorflow/tfjs-backend-cpu';
import { TunesmithError } from '@tunesmith/core';
import { describeBackend } from '@tunesmith/testing';
import { expect, it } from 'vitest';
import { obstacle } from './fixtures/obstacle.js';
import { createOnnxBackend } from './index.js';

const error = await obstacle('webgpu');
if (error === undefined) {
  describeBackend('onnx-webgpu', async () => createOnnxBackend({ device: 'webgpu' }), {
    // WGSL leaves sines and cosines an error of 2⁻¹¹ within a half turn, which is 49 times the table's 1e-5.
    tolerances: { sin: 49, cos: 49, rotary: 49 },
    lacks: { 'isNaN [5]': 'a shader may assume that there is no NaN' },
    differs: { 'log of zero [4]': 'a shader may assume that there is no infinity' },
  });
} else {
  it('says that there is no adapter, and none is required', () => {
    expect(TunesmithError.isInstance(error) && error.code).toBe('BACKEND_UNAVAILABLE');
    expect(process.env.TUNESMITH_REQUIRE).not.toBe('webgpu');
  });
}
