export type { QloraConfig } from './config.js';
export { qloraConfigSchema } from './config.js';
export { qlora } from './qlora.js';
