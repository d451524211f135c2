import { didYouMean, type Family, TunesmithError } from '@tunesmith/core';
import { bert } from './bert/bert.js';
import { distilbert } from './distilbert/distilbert.js';
import { electra } from './electra/electra.js';
import { gpt2 } from './gpt2/gpt2.js';
import { llama } from './llama/llama.js';
import { mistral } from './mistral/mistral.js';
import { mixtral } from './mixtral/mixtral.js';
import { qwen2 } from './qwen2/qwen2.js';
import { qwen3 } from './qwen3/qwen3.js';
import { roberta } from './roberta/roberta.js';
import { switchTransformers } from './switch/switch.js';
import { t5 } from './t5/t5.js';

/** Every family of this package. */
export const families: readonly Family[] = [
  llama,
  mistral,
  mixtral,
  qwen2,
  qwen3,
  gpt2,
  bert,
  roberta,
  distilbert,
  electra,
  t5,
  switchTransformers,
];

/**
 * The family that config.json's `model_type` names.
 * @throws CONFIG_INVALID with the nearest known types
 */
export function familyFor(config: Record<string, unknown>, known: readonly Family[] = families): Family {
  const { model_type: type } = config;
  const found = known.find(({ modelTypes }) => modelTypes.some((each) => each === type));
  if (found !== undefined) return found;
  const types = known.flatMap(({ modelTypes }) => modelTypes);
  throw new TunesmithError('CONFIG_INVALID', `no family takes this "model_type"`, {
    where: 'config.json',
    expected: types.join(', '),
    got: type === undefined ? 'nothing' : JSON.stringify(type),
    ...(typeof type === 'string' ? { hint: didYouMean(type, types) } : {}),
  });
}
