export type { EngineOptions } from './engine.js';
export { createEngine } from './engine.js';
