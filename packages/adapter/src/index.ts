export { compacter, compacterPlusPlus } from './compacter.js';
export type { BottleneckConfig, CompacterConfig } from './config.js';
export { houlsby } from './houlsby.js';
export { parallel, scaledParallel } from './parallel.js';
export { pfeiffer } from './pfeiffer.js';
