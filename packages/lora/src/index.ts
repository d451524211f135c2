export { adalora } from './adalora/adalora.js';
export type { AdaloraConfig } from './adalora/config.js';
export { adaloraConfigSchema } from './adalora/config.js';
export { combineLoras } from './combine/combine.js';
export type { CombineOptions } from './combine/options.js';
export { combineOptionsSchema } from './combine/options.js';
export type { LoraConfig } from './config.js';
export { loraConfigSchema } from './config.js';
export { lora } from './lora.js';
