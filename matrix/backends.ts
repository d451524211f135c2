import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';

/** The backends of the matrix. */
export const backends = {
  'onnx-cpu': () => createOnnxBackend({ device: 'cpu' }),
  'tfjs-cpu': () => createTfjsBackend({ prefer: 'cpu' }),
  'onnx-webgpu': () => createOnnxBackend({ device: 'webgpu' }),
};
