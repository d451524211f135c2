export type { FreezeOptions } from './freeze/config.js';
export { freezeConfigSchema } from './freeze/config.js';
export { freeze } from './freeze/freeze.js';
export { full, fullConfigSchema } from './full/full.js';
export { llrd, llrdConfigSchema } from './llrd/llrd.js';
