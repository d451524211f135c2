import { formatJson, type JsonObject } from '../json/strict-json.js';

/**
 * Keys that transformers 5 takes no whole number for (`float` in its models' configurations): T5's and Mixtral's own files say 1.0 and
 * 0.0 there, and a number that was read no longer knows.
 */
const fractions = [
  'initializer_factor',
  'initializer_range',
  'layer_norm_eps',
  'layer_norm_epsilon',
  'rms_norm_eps',
  'router_aux_loss_coef',
  'router_jitter_noise',
  'router_z_loss_coef',
];
const whole = new RegExp(`^(\\s*"(?:${fractions.join('|')})": -?\\d+)(?=,?$)`, 'gm');

/** A config.json that transformers reads. */
export function configText(config: JsonObject): string {
  return formatJson(config, { sortKeys: true }).replace(whole, '$1.0');
}
