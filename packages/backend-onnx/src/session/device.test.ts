import { tf } from '@tunesmith/core';
import { expect, it } from 'vitest';
import { createOnnxBackend } from '../index.js';
import { sessionError } from './device.js';

it('names the command that installs CUDA where its libraries are missing', async () => {
  const message = 'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library';
  const error = sessionError('cuda', 'step', new Error(message));
  expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', got: message });
  expect(error.hint).toContain('--onnxruntime-node-install-cuda=v12');
});

it('says which program ONNX Runtime refused', () => {
  expect(sessionError('cpu', 'step', new Error('no kernel\nat line 1'))).toMatchObject({
    code: 'INTERNAL',
    where: 'program step',
    got: 'no kernel',
  });
});

it('refuses a store of another backend', async () => {
  const other = { names: () => [] } as never;
  const body = () => ({ outputs: { one: tf.scalar(1) } });
  await expect(createOnnxBackend().compile({ name: 'p', inputs: {}, body }, other)).rejects.toMatchObject({
    code: 'CAPABILITY_MISSING',
  });
});
