import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isGguf } from '@tunesmith/checkpoints';
import { contrastive, defaultPooling, type Model, type Pooling, poolingModes, TunesmithError } from '@tunesmith/core';
import type { ObjectiveSettings } from './settings.js';

type Json = Readonly<Record<string, unknown>>;

/** What a sentence-transformers folder says of how texts become vectors. */
export interface SentenceModules {
  readonly pooling: Pooling;
  readonly normalize: boolean;
  /** Most tokens of a text, where it says so. */
  readonly maxLength?: number;
  /** By name, what callers may put before texts of a kind, such as queries; nothing here does so by itself. */
  readonly prompts?: Json;
}

/** Each mode's key in a Pooling module's config.json before sentence-transformers 5.4; later ones read it too. */
const poolingKeys: Readonly<Record<Pooling, string>> = {
  mean: 'pooling_mode_mean_tokens',
  cls: 'pooling_mode_cls_token',
  lasttoken: 'pooling_mode_lasttoken',
};

const modulesFile = 'modules.json';
const lengthFile = 'sentence_bert_config.json';
const promptsFile = 'config_sentence_transformers.json';

/**
 * Reads modules.json of a sentence-transformers folder and what it names: a transformer, its pooling, and perhaps a norm. Null where there is
 * none, as in a folder of transformers alone.
 * @throws CAPABILITY_MISSING for modules that have no counterpart here, and for a prompt before every text; FILE_INVALID
 */
export async function readSentenceModules(path: string): Promise<SentenceModules | null> {
  if (isGguf(path)) return null;
  const modules = await readJson(join(path, modulesFile));
  if (modules === null) return null;
  if (!Array.isArray(modules)) throw notAsWritten(join(path, modulesFile), 'a list of modules');
  let [pooling, normalize]: [Pooling, boolean] = ['mean', false];
  for (const { type, path: folder } of modules as Json[]) {
    const kind = String(type).split('.').at(-1);
    if (kind === 'Transformer') continue;
    if (kind === 'Normalize') normalize = true;
    else if (kind === 'Pooling') pooling = await readPooling(join(path, String(folder), 'config.json'));
    else throw unknownModule(join(path, modulesFile), String(type));
  }
  const prompts = await readPrompts(join(path, promptsFile));
  const length = await readJson(join(path, lengthFile));
  const most = isObject(length) ? length.max_seq_length : undefined;
  return { pooling, normalize, ...(typeof most === 'number' && { maxLength: most }), ...(prompts && { prompts }) };
}

/** The prompts that callers may put before texts. One that sentence-transformers puts there unasked is refused: it would be missed in silence. */
async function readPrompts(file: string): Promise<Json | undefined> {
  const config = await readJson(file);
  const { default_prompt_name: name, prompts } = isObject(config) ? config : ({} as Json);
  if (!isObject(prompts)) return undefined;
  const prompt = typeof name === 'string' ? prompts[name] : undefined;
  if (typeof prompt !== 'string' || prompt === '') return prompts;
  throw new TunesmithError('CAPABILITY_MISSING', 'this embedder puts a prompt before every text', {
    ...{ where: file, expected: 'default_prompt_name: null', got: `${name}: ${JSON.stringify(prompt)}` },
    hint: 'Set it to null, and put the prompt into the texts that are to have it.',
  });
}

async function readPooling(file: string): Promise<Pooling> {
  const config = await readJson(file);
  if (!isObject(config)) throw notAsWritten(file, 'how states are pooled');
  const modes = [config.pooling_mode ?? activeModes(config)].flat();
  const found = poolingModes.find((mode) => modes.length === 1 && modes[0] === mode);
  if (found !== undefined) return found;
  throw new TunesmithError('CAPABILITY_MISSING', 'this pooling has no counterpart', {
    where: file,
    expected: `one of ${poolingModes.join(', ')}`,
    got: modes.join(' and '),
  });
}

/** The modes that are on by their keys; the mean where none is, as sentence-transformers has it. */
function activeModes(config: Json): string[] {
  const on = Object.keys(config).filter((key) => key.startsWith('pooling_mode_') && config[key] === true);
  if (on.length === 0) return ['mean'];
  return on.map((key) => poolingModes.find((mode) => poolingKeys[mode] === key) ?? key);
}

/** A recipe's contrastive objective with what a folder says of vectors, where it says nothing of its own; others as they are. */
export async function withSentenceModules(settings: ObjectiveSettings, path: string): Promise<ObjectiveSettings> {
  if (settings.name !== contrastive.definition.name) return settings;
  if (settings.pooling !== undefined && settings.normalize !== undefined) return settings;
  const found = await readSentenceModules(path);
  if (found === null) return settings;
  const { pooling = found.pooling, normalize = found.normalize } = settings;
  return { ...settings, pooling, normalize };
}

/** A folder's files, by name, by which sentence-transformers makes vectors as an objective does. */
export function sentenceModuleFiles(
  { family, shape }: Pick<Model, 'family' | 'shape'>,
  settings: ObjectiveSettings,
  { maxLength, prompts }: { readonly maxLength: number; readonly prompts?: Json | undefined },
): Readonly<Record<string, Record<string, unknown> | Record<string, unknown>[]>> {
  const { pooling = defaultPooling(family), normalize = false } = settings as {
    pooling?: Pooling;
    normalize?: boolean;
  };
  const module = (index: number, name: string, path: string): Record<string, unknown> => ({
    idx: index,
    name: String(index),
    path,
    type: `sentence_transformers.models.${name}`,
  });
  return {
    [modulesFile]: [
      module(0, 'Transformer', ''),
      module(1, 'Pooling', '1_Pooling'),
      ...(normalize ? [module(2, 'Normalize', '2_Normalize')] : []),
    ],
    '1_Pooling/config.json': {
      word_embedding_dimension: shape.hiddenSize,
      ...Object.fromEntries(poolingModes.map((mode) => [poolingKeys[mode], mode === pooling])),
    },
    [lengthFile]: { max_seq_length: maxLength, do_lower_case: false },
    ...(prompts === undefined ? {} : { [promptsFile]: { prompts, default_prompt_name: null } }),
  };
}

/** What a JSON file holds; null where there is no such file. */
async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new TunesmithError('FILE_INVALID', 'not JSON', { where: file, cause });
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function notAsWritten(where: string, expected: string): TunesmithError {
  return new TunesmithError('FILE_INVALID', 'this is no folder as sentence-transformers writes it', {
    where,
    expected,
  });
}

function unknownModule(where: string, got: string): TunesmithError {
  return new TunesmithError('CAPABILITY_MISSING', 'a module of this embedder has no counterpart', {
    ...{ where, expected: 'Transformer, Pooling and Normalize', got },
    hint: 'Without modules.json the folder is a plain transformer, whose pooling the objective says.',
  });
}
