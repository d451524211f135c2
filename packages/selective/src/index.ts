export { full, fullConfigSchema } from './full/full.js';
