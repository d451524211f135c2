import { count, readConfig } from '../config/read-config.js';
import { type DecoderConfig, decoderConfig, decoderSchema } from '../decoder/decoder-config.js';

/** A config without these keys means transformers' defaults; newer Mistrals write a null window. */
const schema = decoderSchema({
  num_key_value_heads: count.nullable().default(8),
  sliding_window: count.nullable().default(4096),
});

export function parseMistralConfig(json: Record<string, unknown>): DecoderConfig {
  const config = readConfig(schema, json);
  return decoderConfig(config, {
    windows: Array<number | null>(config.num_hidden_layers).fill(config.sliding_window),
  });
}
