import { TunesmithError } from '@tunesmith/core';

/** PEFT wraps the model twice, and its files keep the path: `base_model.model.<module path>.<parameter>`. */
const prefix = 'base_model.model.';

/** Prompt-learning methods store this one tensor, which belongs to no module (peft/utils/save_and_load.py). */
const bareName = 'prompt_embeddings';

/** `model.layers.0.self_attn.q_proj.lora_A.weight` → `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`. */
export function toPeftName(name: string): string {
  return name === bareName ? name : prefix + name;
}

/**
 * The inverse of `toPeftName`.
 * @throws FILE_INVALID for a name that is not PEFT's
 */
export function fromPeftName(name: string): string {
  if (name === bareName) return name;
  if (name.startsWith(prefix)) return name.slice(prefix.length);
  throw new TunesmithError('FILE_INVALID', `${name} is not the name of a PEFT tensor`, { expected: `${prefix}…` });
}
