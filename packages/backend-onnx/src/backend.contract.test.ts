import '@tensorflow/tfjs-backend-cpu';
import { describeBackend } from '@tunesmith/testing';
import { createOnnxBackend } from './index.js';

describeBackend('onnx-cpu', async () => createOnnxBackend({ threads: 1 }));
