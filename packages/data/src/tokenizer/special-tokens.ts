import { TunesmithError } from '@tunesmith/core';
import type { TokenizerFiles } from './tokenizer-files.js';

/** What the tokenizer's vocabulary answers about a token's text. */
export type TokenLookup = (token: string) => number | undefined;

/** The ids with a meaning, settled once so that training, generation and export agree. */
export interface SpecialTokens {
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly unkId: number | null;
  /** What stands for a hidden token, for models that are trained to find those. */
  readonly maskId: number | null;
  /** The id that fills padded positions: `pad_token`, else eos, else 0. It never decides what is trained. */
  readonly padId: number;
  /** Ids that end a generated text: eos first, then the further ones of generation_config.json. */
  readonly endIds: readonly number[];
}

/**
 * Settles the special tokens from a model folder's files.
 *
 * A name is looked for in tokenizer_config.json, then in special_tokens_map.json. A bos or eos that the vocabulary lacks is
 * an error, because a run without its end token never learns to stop; a pad or unk that it lacks is treated as absent.
 */
export function resolveSpecialTokens(files: TokenizerFiles, lookup: TokenLookup): SpecialTokens {
  const named = (key: SpecialKey) =>
    tokenText(files.tokenizerConfig?.[key]) ?? tokenText(files.specialTokensMap?.[key]);
  const required = (key: SpecialKey): number | null => {
    const token = named(key);
    if (token === undefined) return null;
    const id = lookup(token);
    if (id === undefined) {
      throw new TunesmithError('FILE_INVALID', `${key} names a token that the vocabulary lacks`, {
        where: `${files.where}/tokenizer_config.json`,
        expected: 'a token of tokenizer.json',
        got: JSON.stringify(token),
        hint: 'Is tokenizer_config.json from the same model as tokenizer.json?',
      });
    }
    return id;
  };
  const optional = (key: SpecialKey): number | undefined => {
    const token = named(key);
    return token === undefined ? undefined : lookup(token);
  };

  const endings = integers(files.generationConfig?.eos_token_id);
  const eosId = required('eos_token') ?? endings[0] ?? null;
  return {
    bosId: required('bos_token'),
    eosId,
    unkId: optional('unk_token') ?? null,
    maskId: optional('mask_token') ?? null,
    padId: optional('pad_token') ?? eosId ?? 0,
    endIds: [...new Set([...(eosId === null ? [] : [eosId]), ...endings])],
  };
}

type SpecialKey = 'mask_token' | 'bos_token' | 'eos_token' | 'pad_token' | 'unk_token';

/** A token is written as its text or as an object that holds it. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && 'content' in value && typeof value.content === 'string') {
    return value.content;
  }
  return undefined;
}

function integers(value: unknown): number[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((id): id is number => Number.isInteger(id));
}
