import {
  bitsandbytesConfig,
  bitsandbytesTensors,
  hasBitsandbytesForm,
  isGguf,
  type ModelFolderContents,
  writeModelFolder,
} from '@tunesmith/checkpoints';
import {
  bareName,
  decodeWeight,
  type Encoding,
  encodeWeight,
  type Handle,
  memoryTensor,
  mergedWeights,
  type StoredDtype,
  type StoredTensor,
} from '@tunesmith/core';
import { withAnswers, withClassifier, withoutHead } from '../objective/classifier-config.js';
import { readSentenceModules, sentenceModuleFiles, withSentenceModules } from '../objective/sentence-modules.js';
import { labelScheme, type ObjectiveSettings } from '../objective/settings.js';
import { maxLengthOf } from '../train/resolve-recipe.js';
import type { LoadedModel } from './load-model.js';

export interface SaveModelOptions {
  /** Whether the methods' effect may be rounded to the codes of a quantised base; refused if not said. */
  readonly allowLossy?: boolean;
}

/**
 * Writes a Hugging Face folder of a model with its methods' effect in the weights, each in the type that it had in the
 * checkpoint, with the tokenizer's files beside them. What it was trained for, a classifier's labels, goes into config.json;
 * of a model that makes vectors, a folder of sentence-transformers' around the model without a head.
 * Of a quantised base the codes are written as bitsandbytes has them, or the values that they stand for where it has none such.
 * @throws CAPABILITY_MISSING where a method cannot be merged, or would be into codes
 */
export async function saveModel(
  loaded: LoadedModel,
  path: string,
  objective?: ObjectiveSettings,
  options: SaveModelOptions = {},
): Promise<void> {
  const { task } = loaded.model.head;
  const embeds = objective !== undefined && task === 'embedding';
  const scheme = objective === undefined ? null : labelScheme(objective, loaded.objectives);
  const { config: own, tokenizer } = loaded;
  const headed = scheme === null ? own : withClassifier(own, { ...scheme, task }, tokenizer.padId);
  const config = task === 'question-answering' ? withAnswers(headed) : headed;
  const { files = {}, ...beside } = tokenizerOf(loaded);
  await writeModelFolder(path, {
    config: { ...(embeds ? withoutHead(config) : config), ...quantizationConfig(loaded) },
    tensors: weights(loaded, options),
    files: { ...files, ...(embeds ? await sentenceFiles(loaded, objective) : {}) },
    ...beside,
  });
}

/** What sentence-transformers needs of a model that makes vectors. */
async function sentenceFiles({ model, path, tokenizer }: LoadedModel, objective: ObjectiveSettings) {
  const { maxLength = maxLengthOf({}, model.shape), prompts } = (await readSentenceModules(path)) ?? {};
  return {
    ...sentenceModuleFiles(model, await withSentenceModules(objective, path), { maxLength, prompts }),
    ...paddingFile(tokenizer),
  };
}

/** sentence-transformers embeds no texts by a tokenizer that cannot fill rows up; what does that here is named, where the folder names none. */
function paddingFile({ files, padId, decode }: LoadedModel['tokenizer']): ModelFolderContents['files'] {
  const { tokenizerConfig = {}, specialTokensMap = {} } = files;
  if (tokenizerConfig.pad_token ?? specialTokensMap.pad_token) return {};
  return { 'tokenizer_config.json': { ...tokenizerConfig, pad_token: decode([padId], { skipSpecialTokens: false }) } };
}

/** A folder's files as they are, or what was made of a GGUF file's metadata. */
function tokenizerOf({ path, tokenizer }: LoadedModel): Pick<ModelFolderContents, 'copyFrom' | 'files'> {
  if (!isGguf(path)) return { copyFrom: path };
  const { tokenizerJson, tokenizerConfig = {}, generationConfig = {} } = tokenizer.files;
  const names = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'] as const;
  return { files: { [names[0]]: tokenizerJson, [names[1]]: tokenizerConfig, [names[2]]: generationConfig } };
}

async function* weights(loaded: LoadedModel, options: SaveModelOptions): AsyncGenerator<StoredTensor> {
  const { model, parameters, storedDtype } = loaded;
  const nameOf = ({ path }: Handle): string => (model.head.task === 'embedding' ? bareName(model.family, path) : path);
  for await (const { handle, values, changed } of mergedWeights(model, parameters, options)) {
    const encoding = parameters.encodingOf(handle);
    if (encoding === undefined) {
      yield memoryTensor(nameOf(handle), handle.shape, values, storedDtype(handle.path));
      continue;
    }
    const parts = changed ? encodeWeight(encoding, values) : await parameters.readParts(handle);
    if (hasBitsandbytesForm(encoding.codec)) {
      yield* bitsandbytesTensors({ ...encoding, name: nameOf(handle), parts, dtype: decodedType(loaded, handle) });
    } else {
      yield memoryTensor(nameOf(handle), handle.shape, decodeWeight(encoding, parts), storedDtype(handle.path));
    }
  }
}

/** What config.json says of the codes, where any are written; linear layers that have none are named. */
function quantizationConfig(loaded: LoadedModel): { quantization_config?: Record<string, unknown> } {
  const { model, parameters } = loaded;
  const linear = model.sites.filter((site) => site.kind === 'linear');
  const encoded = new Map<Handle, Encoding>();
  for (const { weightHandle } of linear) {
    const encoding = parameters.encodingOf(weightHandle);
    if (encoding !== undefined && hasBitsandbytesForm(encoding.codec)) encoded.set(weightHandle, encoding);
  }
  const [first] = encoded;
  if (first === undefined) return {};
  const skipped = linear.filter(({ weightHandle }) => !encoded.has(weightHandle)).map(({ path }) => path);
  const [handle, { codec }] = first;
  return { quantization_config: bitsandbytesConfig(codec, decodedType(loaded, handle), skipped) };
}

/** The type that the values of a matrix are in once its codes are decoded: the checkpoint's. */
function decodedType({ storedDtype }: LoadedModel, { path }: Handle): 'float32' | 'float16' | 'bfloat16' {
  const names: Partial<Record<StoredDtype, 'float16' | 'bfloat16'>> = { F16: 'float16', BF16: 'bfloat16' };
  return names[storedDtype(path)] ?? 'float32';
}
