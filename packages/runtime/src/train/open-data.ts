import {
  createDataset,
  type DataReport,
  type Dataset,
  type FormatOptions,
  loadChatTemplate,
  type TokenizeOptions,
  type Tokenizer,
} from '@tunesmith/data';
import type { OnPhase } from '../model/engine.js';
import type { Recipe } from '../recipe/recipe.js';

/** A recipe's rows, to train on and to hold out. */
export interface RunData {
  readonly train: Dataset;
  readonly validation: Dataset | null;
  readonly report: DataReport;
}

export interface OpenDataOptions {
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
  readonly seed: number;
  readonly cacheFolder: string;
  readonly onPhase?: OnPhase;
  readonly signal?: AbortSignal;
}

/** Opens a recipe's data files as rows, tokenised once and cached. */
export async function openData(data: Recipe['data'], options: OpenDataOptions): Promise<RunData> {
  const { validation, shuffle, packing } = data;
  const { onPhase } = options;
  const shared = {
    ...rowOptions(data, options.tokenizer, options.maxLength),
    packing,
    seed: options.seed,
    cacheFolder: options.cacheFolder,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(onPhase === undefined ? {} : { onProgress: (count: number) => onPhase(`tokenised ${count} examples`) }),
  };
  const all = await createDataset({ ...shared, files: listOf(data.train), shuffle });
  if (typeof validation === 'number') return { ...all.split(validation), report: all.report };
  if (validation === undefined) return { train: all, validation: null, report: all.report };
  const held = await createDataset({ ...shared, files: listOf(validation), shuffle: false });
  return { train: all, validation: held, report: all.report };
}

/** How a recipe's examples are read and become rows. */
export function rowOptions(data: Omit<Recipe['data'], 'train'>, tokenizer: Tokenizer, maxLength: number): RowOptions {
  const { format, columns, template, promptLossWeight, trainOnHistory, longText } = data;
  return {
    tokenizer,
    template: loadChatTemplate(tokenizer, template),
    maxLength,
    promptLossWeight,
    trainOnHistory,
    longText,
    ...(format === undefined ? {} : { format }),
    ...(columns === undefined ? {} : { columns }),
  };
}

export type RowOptions = TokenizeOptions & FormatOptions;

/** One file or several, as several. */
function listOf(files: string | readonly string[]): readonly string[] {
  return typeof files === 'string' ? [files] : files;
}
