import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { TunesmithError } from '@tunesmith/core';

/** A JSON object as it was read. */
export type JsonObject = { readonly [key: string]: unknown };

/** The parsed files of a model folder that say how text becomes tokens. */
export interface TokenizerFiles {
  /** Where they came from, for error messages. */
  readonly where?: string;
  readonly tokenizerJson: JsonObject;
  readonly tokenizerConfig?: JsonObject;
  readonly specialTokensMap?: JsonObject;
  readonly generationConfig?: JsonObject;
  /** The text of chat_template.jinja, which wins over tokenizer_config.json's. */
  readonly chatTemplate?: string;
}

/** Reads tokenizer.json and the optional files beside it from a Hugging Face model folder. */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const tokenizerJson = await readJson(path.join(folder, 'tokenizer.json'));
  if (tokenizerJson === undefined) {
    throw new TunesmithError('FILE_MISSING', 'there is no tokenizer.json', {
      where: folder,
      hint: 'A model with only tokenizer.model has to be saved once by transformers (AutoTokenizer … save_pretrained).',
    });
  }
  const [tokenizerConfig, specialTokensMap, generationConfig, chatTemplate] = await Promise.all([
    readJson(path.join(folder, 'tokenizer_config.json')),
    readJson(path.join(folder, 'special_tokens_map.json')),
    readJson(path.join(folder, 'generation_config.json')),
    readText(path.join(folder, 'chat_template.jinja')),
  ]);
  return {
    where: folder,
    tokenizerJson,
    ...(tokenizerConfig && { tokenizerConfig }),
    ...(specialTokensMap && { specialTokensMap }),
    ...(generationConfig && { generationConfig }),
    ...(chatTemplate !== undefined && { chatTemplate }),
  };
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TunesmithError('FILE_INVALID', 'the file cannot be read', { where: file, cause: error });
  }
}

async function readJson(file: string): Promise<JsonObject | undefined> {
  const text = await readText(file);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TunesmithError('FILE_INVALID', `not JSON: ${(error as Error).message}`, { where: file, cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TunesmithError('FILE_INVALID', 'not a JSON object', { where: file });
  }
  return value as JsonObject;
}
