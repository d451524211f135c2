import { tf } from '@tunesmith/core';
import { expect, it } from 'vitest';
import { createOnnxBackend } from '../index.js';
import { keepFloat32, sessionError } from './device.js';

it('names the command that installs CUDA where its libraries are missing', async () => {
  const message = 'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library';
  const error = sessionError('cuda', 'step', new Error(message));
  expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', got: message });
  expect(error.hint).toContain('ONNXRUNTIME_NODE_INSTALL_CUDA=v12 npm rebuild onnxruntime-node');
});

it('says what CUDA said where a device cannot be used', () => {
  const message =
    'cuda_call.cc:154 CudaCall(...) CUDA failure 100: no CUDA-capable device ; GPU=-1 ; expr=cudaSetDevice(0);';
  expect(sessionError('cuda', 'step', new Error(message))).toMatchObject({
    code: 'BACKEND_UNAVAILABLE',
    got: 'CUDA failure 100: no CUDA-capable device',
  });
});

it('does not take a program that CUDA cannot run for a machine without CUDA', () => {
  const error = sessionError('cuda', 'step', new Error('CUDAExecutionProvider has no kernel of that type'));
  expect(error).toMatchObject({ code: 'INTERNAL', where: 'program step' });
});

it('does not take a program that WebGPU cannot run for a machine without an adapter', () => {
  const refusal = 'Exception during initialization: Provider type for Where node with name Where_27 is not set.';
  expect(sessionError('webgpu', 'step', new Error(refusal))).toMatchObject({ code: 'INTERNAL', got: refusal });
  const absent = sessionError('webgpu', 'step', new Error('Failed to get a WebGPU adapter'));
  expect(absent).toMatchObject({ code: 'BACKEND_UNAVAILABLE', hint: expect.stringContaining('Vulkan') });
});

it('has CUDA compute float32 in float32, unless TF32 is asked for', () => {
  const before = process.env.NVIDIA_TF32_OVERRIDE;
  try {
    delete process.env.NVIDIA_TF32_OVERRIDE;
    keepFloat32();
    expect(process.env.NVIDIA_TF32_OVERRIDE).toBe('0');
    process.env.NVIDIA_TF32_OVERRIDE = '1';
    keepFloat32();
    expect(process.env.NVIDIA_TF32_OVERRIDE).toBe('1');
  } finally {
    if (before === undefined) delete process.env.NVIDIA_TF32_OVERRIDE;
    else process.env.NVIDIA_TF32_OVERRIDE = before;
  }
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
