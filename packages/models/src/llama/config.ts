import { z } from 'zod';
import { readConfig } from '../config/read-config.js';
import { type DecoderConfig, decoderConfig, decoderSchema } from '../decoder/decoder-config.js';

const schema = decoderSchema({
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
});

/** `pretraining_tp` cuts the same products into slices and is no key of the forward pass. */
export function parseLlamaConfig(json: Record<string, unknown>): DecoderConfig {
  const config = readConfig(schema, json);
  const attention = config.attention_bias;
  return decoderConfig(config, { bias: { queryKeyValue: attention, output: attention, mlp: config.mlp_bias } });
}
