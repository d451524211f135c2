import { z } from 'zod';

/** The option that all methods of this package share: how long what they put before a text is. */
export function virtualTokensOption(what: string, tokens: number, source: string) {
  return z.int().min(1).max(1024).default(tokens).describe(`${what} Default: ${source}.`);
}
