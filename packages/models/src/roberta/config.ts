import { z } from 'zod';
import { readConfig } from '../config/read-config.js';
import { type EncoderConfig, encoderConfig, encoderSchema } from '../encoder/encoder-config.js';

const schema = encoderSchema({ pad_token_id: z.int().nonnegative().default(1) });

export function parseRobertaConfig(json: Record<string, unknown>): EncoderConfig {
  return encoderConfig(readConfig(schema, json));
}
