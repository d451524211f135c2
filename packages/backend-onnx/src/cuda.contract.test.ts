import '@tensorflow/tfjs-backend-cpu';
import { TunesmithError } from '@tunesmith/core';
import { describeBackend } from '@tunesmith/testing';
import { expect, it } from 'vitest';
import { obstacle } from './fixtures/obstacle.js';
import { createOnnxBackend } from './index.js';

const error = await obstacle('cuda');
if (error === undefined) {
  describeBackend('onnx-cuda', async () => createOnnxBackend({ device: 'cuda' }));
} else {
  it('says how to install CUDA, and it is not required', () => {
    expect(TunesmithError.isInstance(error) && error.code).toBe('BACKEND_UNAVAILABLE');
    expect(process.env.TUNESMITH_REQUIRE).not.toBe('cuda');
  });
}
