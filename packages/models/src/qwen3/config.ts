import { z } from 'zod';
import { count, readConfig } from '../config/read-config.js';
import { type DecoderConfig, decoderConfig, decoderSchema } from '../decoder/decoder-config.js';
import { checkWindows, readWindows, windowFields } from '../decoder/layer-windows.js';

const schema = decoderSchema({
  ...windowFields,
  num_key_value_heads: count.nullable().default(32),
  attention_bias: z.boolean().default(false),
  // Not hidden_size / num_attention_heads: without the key, transformers takes 128 whatever these are.
  head_dim: z.int().positive().multipleOf(2, 'an even number, for rotary pairs').default(128),
}).superRefine(checkWindows);

export function parseQwen3Config(json: Record<string, unknown>): DecoderConfig {
  const config = readConfig(schema, json);
  const bias = config.attention_bias;
  return decoderConfig(config, {
    bias: { queryKeyValue: bias, output: bias, mlp: false },
    queryKeyNorm: true,
    windows: readWindows(config),
  });
}
