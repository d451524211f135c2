export type { LoraConfig } from './config.js';
export { loraConfigSchema } from './config.js';
export { lora } from './lora.js';
