export type { Ia3Config } from './config.js';
export { ia3ConfigSchema } from './config.js';
export { ia3 } from './ia3.js';
