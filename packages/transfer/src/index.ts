export type { DistillationConfig } from './distillation/distillation.js';
export { distillation, distillationConfigSchema } from './distillation/distillation.js';
export type { Direction, SoftTargets } from './distillation/soft-targets.js';
export { divergence } from './distillation/soft-targets.js';
export type { EwcConfig } from './ewc/ewc.js';
export { ewc, ewcConfigSchema } from './ewc/ewc.js';
export type { WithoutForgettingConfig } from './without-forgetting/without-forgetting.js';
export { withoutForgetting, withoutForgettingConfigSchema } from './without-forgetting/without-forgetting.js';
