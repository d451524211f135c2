export type { OnnxBackendOptions } from './session/create-onnx-backend.js';
export { createOnnxBackend } from './session/create-onnx-backend.js';
export type { OnnxDevice } from './session/device.js';
