export type { DecoderConfig } from './decoder/decoder-config.js';
export type { Rotary, RotaryScaling } from './decoder/rotary-scaling.js';
export { families, familyFor } from './families.js';
export type { Gpt2Activation, Gpt2Config } from './gpt2/config.js';
export { gpt2 } from './gpt2/gpt2.js';
export { llama } from './llama/llama.js';
export { mistral } from './mistral/mistral.js';
export { qwen2 } from './qwen2/qwen2.js';
export { qwen3 } from './qwen3/qwen3.js';
