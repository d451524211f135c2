import { count, readConfig } from '../config/read-config.js';
import { type DecoderConfig, decoderConfig, decoderSchema } from '../decoder/decoder-config.js';
import { checkWindows, readWindows, windowFields } from '../decoder/layer-windows.js';

const schema = decoderSchema({ ...windowFields, num_key_value_heads: count.nullable().default(32) }).superRefine(
  checkWindows,
);

export function parseQwen2Config(json: Record<string, unknown>): DecoderConfig {
  const config = readConfig(schema, json);
  return decoderConfig(config, {
    bias: { queryKeyValue: true, output: false, mlp: false },
    windows: readWindows(config),
  });
}
