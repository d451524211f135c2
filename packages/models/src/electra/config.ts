import { count, readConfig } from '../config/read-config.js';
import { type EncoderConfig, encoderConfig, encoderSchema } from '../encoder/encoder-config.js';

const schema = encoderSchema({ embedding_size: count.default(128) });

export function parseElectraConfig(json: Record<string, unknown>): EncoderConfig {
  const config = readConfig(schema, json);
  return { ...encoderConfig(config), embeddingSize: config.embedding_size };
}
