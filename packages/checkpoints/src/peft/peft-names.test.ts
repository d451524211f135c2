import { expect, it } from 'vitest';
import { fromPeftName, toPeftName } from './peft-names.js';

it.each([
  ['model.layers.0.self_attn.q_proj.lora_A.weight', 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight'],
  ['lm_head.lora_magnitude_vector', 'base_model.model.lm_head.lora_magnitude_vector'],
  ['prompt_embeddings', 'prompt_embeddings'],
])('%s ⇄ %s', (name, peftName) => {
  expect(toPeftName(name)).toBe(peftName);
  expect(fromPeftName(peftName)).toBe(name);
});

it('refuses a name that is not PEFT’s', () => {
  expect(() => fromPeftName('model.layers.0.q_proj.lora_a')).toThrow(
    'FILE_INVALID: model.layers.0.q_proj.lora_a is not the name of a PEFT tensor; expected base_model.model.…',
  );
});
