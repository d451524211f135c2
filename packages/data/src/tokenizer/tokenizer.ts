import { createHash } from 'node:crypto';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { TunesmithError } from '@tunesmith/core';
import { resolveSpecialTokens, type SpecialTokens } from './special-tokens.js';
import { createTextStream, type TextStream } from './text-stream.js';
import { findTemplates, type TextTemplates } from './text-template.js';
import { type JsonObject, readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.js';

export interface EncodeOptions {
  /** Put the tokenizer's own special tokens around the text; a bos or eos that the text already has is not doubled. */
  readonly addSpecialTokens?: boolean;
}

export interface DecodeOptions {
  readonly skipSpecialTokens?: boolean;
}

export interface TextStreamOptions extends DecodeOptions {
  /** Ids of the text that the stream continues: they keep the space at the start of the first word. */
  readonly context?: readonly number[];
}

/** Text to ids and back, with the special tokens settled (see the README's "Special tokens"). */
export interface Tokenizer extends SpecialTokens {
  /** Highest id + 1; a model's embedding may have more rows, never fewer. */
  readonly vocabSize: number;
  /** What is put before every text, for instance bos. */
  readonly prefixIds: readonly number[];
  /** What `addSpecialTokens` puts after a text. */
  readonly suffixIds: readonly number[];
  /** How whole texts and pairs of them are written for a model that classifies. */
  readonly templates: TextTemplates;
  readonly specialIds: ReadonlySet<number>;
  /** SHA-256 of everything that decides how text becomes ids. */
  readonly hash: string;
  /** The files it was made from; chat templates are read from them. */
  readonly files: TokenizerFiles;
  /** Special tokens are added unless told otherwise. */
  encode(text: string, options?: EncodeOptions): number[];
  /** Special tokens are kept unless told otherwise; spaces are never "cleaned up". */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  /** A stream of ids to pieces of text; special tokens are left out unless told otherwise. */
  createTextStream(options?: TextStreamOptions): TextStream;
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
}

/** Loads a tokenizer from a Hugging Face model folder, or from its files already parsed. */
export async function loadTokenizer(source: string | TokenizerFiles): Promise<Tokenizer> {
  return createTokenizer(typeof source === 'string' ? await readTokenizerFiles(source) : source);
}

/** Makes a tokenizer from parsed files. */
export function createTokenizer(files: TokenizerFiles): Tokenizer {
  const definition = completeDefinition(files);
  const engine = createEngine(definition, files);
  const special = resolveSpecialTokens(files, (token) => engine.token_to_id(token));
  const around = surroundings(engine, special, files);
  const { prefixIds, suffixIds } = around;
  const vocabSize = highestId(engine) + 1;
  const specialIds = new Set(
    definition.added_tokens.filter((token) => token.special === true).map((token) => token.id),
  );

  const plain = (text: string) => known(engine.encode(text, { add_special_tokens: false }).ids);

  const decode = (ids: Iterable<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string => {
    const list = [...ids];
    if (list.length === 0) return '';
    return engine.decode(list, { skip_special_tokens: skipSpecialTokens, clean_up_tokenization_spaces: false });
  };

  return {
    ...special,
    vocabSize,
    prefixIds,
    suffixIds,
    templates: templatesOf(engine, definition, special, files, around),
    specialIds,
    files,
    hash: hashOf({ definition, prefixIds, suffixIds, special }),
    encode(text, { addSpecialTokens = true } = {}) {
      const ids = plain(text);
      if (!addSpecialTokens) return ids;
      const before = prefixIds.every((id, index) => ids[index] === id) ? [] : prefixIds;
      const tail = ids.length - suffixIds.length;
      const after = tail >= 0 && suffixIds.every((id, index) => ids[tail + index] === id) ? [] : suffixIds;
      return [...before, ...ids, ...after];
    },
    decode,
    createTextStream: ({ skipSpecialTokens = true, context = [] } = {}) =>
      createTextStream((ids) => decode(ids, { skipSpecialTokens }), context),
    tokenToId: (token) => engine.token_to_id(token),
    idToToken: (id) => engine.id_to_token(id),
  };
}

/** What is used of @huggingface/tokenizers, whose own declarations do not resolve under `nodenext`. */
interface Engine {
  /** An id is undefined where a tokenizer without an unk token meets a character it cannot write. */
  encode(
    text: string,
    options: { add_special_tokens: boolean; text_pair?: string; return_token_type_ids?: boolean },
  ): { readonly ids: (number | undefined)[]; readonly token_type_ids?: number[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_vocab(): Map<string, number>;
}

interface AddedToken extends JsonObject {
  readonly id: number;
  readonly content: string;
}

interface Definition extends JsonObject {
  readonly added_tokens: readonly AddedToken[];
}

/** tokenizer.json with its optional parts present, and the added tokens that only tokenizer_config.json lists. */
function completeDefinition({ tokenizerJson, tokenizerConfig }: TokenizerFiles): Definition {
  const added = new Map<number, AddedToken>();
  const listed = Object.entries((tokenizerConfig?.added_tokens_decoder ?? {}) as Record<string, JsonObject>);
  for (const [id, token] of listed) added.set(Number(id), { ...token, id: Number(id) } as unknown as AddedToken);
  for (const token of (tokenizerJson.added_tokens ?? []) as AddedToken[]) added.set(token.id, token);
  const optional = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  return { ...optional, ...tokenizerJson, added_tokens: [...added.values()].sort((a, b) => a.id - b.id) };
}

function createEngine(definition: Definition, { tokenizerConfig, where }: TokenizerFiles): Engine {
  try {
    return new HuggingFaceTokenizer(definition, tokenizerConfig ?? {});
  } catch (error) {
    throw new TunesmithError('FILE_INVALID', `the tokenizer cannot be built: ${(error as Error).message}`, {
      where: where === undefined ? 'tokenizer.json' : `${where}/tokenizer.json`,
      hint: 'It must be a tokenizer.json as huggingface/tokenizers writes it.',
      cause: error,
    });
  }
}

/**
 * What the post-processor puts around a text, found by encoding a probe with and without it; `add_bos_token` and
 * `add_eos_token` of tokenizer_config.json override it, as the Llama tokenizers of transformers do.
 */
function surroundings(engine: Engine, { bosId, eosId }: SpecialTokens, { tokenizerConfig }: TokenizerFiles) {
  const bare = known(engine.encode('a', { add_special_tokens: false }).ids);
  const full = known(engine.encode('a', { add_special_tokens: true }).ids);
  const start = full.findIndex((_, index) => bare.every((id, offset) => full[index + offset] === id));
  const prefix = full.slice(0, Math.max(start, 0));
  const suffix = start < 0 ? [] : full.slice(start + bare.length);
  return {
    prefixIds: override(prefix, bosId, tokenizerConfig?.add_bos_token),
    suffixIds: override(suffix, eosId, tokenizerConfig?.add_eos_token),
  };
}

/** What the post-processor makes of a pair of texts, with `add_bos_token` and `add_eos_token` as for one. */
function templatesOf(
  engine: Engine,
  { post_processor: processor }: Definition,
  { bosId, eosId }: SpecialTokens,
  { tokenizerConfig }: TokenizerFiles,
  around: Pick<Tokenizer, 'prefixIds' | 'suffixIds'>,
): TextTemplates {
  const bare = (text: string) => known(engine.encode(text, { add_special_tokens: false }).ids);
  const { ids, token_type_ids: types = [] } = engine.encode('a', {
    ...{ text_pair: 'b', add_special_tokens: true, return_token_type_ids: true },
  });
  const dropped = [
    ...(tokenizerConfig?.add_bos_token === false ? [bosId] : []),
    ...(tokenizerConfig?.add_eos_token === false ? [eosId] : []),
  ];
  return findTemplates({
    ...{ first: bare('a'), second: bare('b'), ...around },
    both: { ids: known(ids), types: isRoberta(processor) ? [] : types },
    keeps: (id) => !dropped.includes(id),
  });
}

/** RoBERTa's own processor types all tokens alike (huggingface/tokenizers, processors/roberta.rs). */
function isRoberta(processor: unknown): boolean {
  const { type, processors = [] } = (processor ?? {}) as { type?: unknown; processors?: unknown[] };
  return type === 'RobertaProcessing' || processors.some(isRoberta);
}

/** Drops the characters that cannot be written, as the reference implementation does (huggingface/tokenizers, BPE). */
function known(ids: readonly (number | undefined)[]): number[] {
  return ids.filter((id) => id !== undefined);
}

function override(found: number[], id: number | null, wanted: unknown): number[] {
  if (id === null || typeof wanted !== 'boolean' || found.includes(id) === wanted) return found;
  return wanted ? [id] : found.filter((other) => other !== id);
}

function highestId(engine: Engine): number {
  let highest = -1;
  for (const id of engine.get_vocab().values()) if (id > highest) highest = id;
  return highest;
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
