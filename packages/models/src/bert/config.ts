import { readConfig } from '../config/read-config.js';
import { type EncoderConfig, encoderConfig, encoderSchema } from '../encoder/encoder-config.js';

const schema = encoderSchema({});

export function parseBertConfig(json: Record<string, unknown>): EncoderConfig {
  return encoderConfig(readConfig(schema, json));
}
