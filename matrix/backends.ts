import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';

/** The backends of the matrix. On tiny models a second thread is all waiting: it costs a third of the time. */
export const backends = {
  'onnx-cpu': () => createOnnxBackend({ device: 'cpu', threads: 1 }),
  'tfjs-cpu': () => createTfjsBackend({ prefer: 'cpu' }),
  'onnx-webgpu': () => createOnnxBackend({ device: 'webgpu', threads: 1 }),
};
