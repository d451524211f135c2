export type { TfjsBackend, TfjsBackendOptions } from './create-tfjs-backend.js';
export { createTfjsBackend } from './create-tfjs-backend.js';
export type { TfjsDevice } from './device.js';
