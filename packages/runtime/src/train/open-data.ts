import { TunesmithError } from '@tunesmith/core';
import {
  createDataset,
  type DataReport,
  type Dataset,
  type FormatOptions,
  loadChatTemplate,
  type ReadOptions,
  type TokenizeOptions,
  type Tokenizer,
} from '@tunesmith/data';
import type { OnPhase, OnWarning } from '../model/engine.js';
import {
  answerTokensOf,
  defaultObjective,
  labelScheme,
  type ObjectiveSettings,
  type Objectives,
  rowsOf,
} from '../objective/settings.js';
import type { Recipe } from '../recipe/recipe.js';
import { dataWarnings } from './data-warnings.js';

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
  /** What is learnt of the rows; words if not said. */
  readonly objective?: ObjectiveSettings;
  /** The plugins' objectives, where it may be one of them. */
  readonly objectives?: Objectives | undefined;
  readonly cacheFolder: string;
  readonly onPhase?: OnPhase;
  /** Told of answers that are cut or missing. */
  readonly onWarning?: OnWarning;
  readonly signal?: AbortSignal;
}

/** Opens a recipe's data files as rows, tokenised once and cached. */
export async function openData(data: Recipe['data'], options: OpenDataOptions): Promise<RunData> {
  const { validation, shuffle, packing } = data;
  const { onPhase } = options;
  const shared = {
    ...rowOptions(data, options.tokenizer, options.maxLength, options.objective, options.objectives),
    packing,
    seed: options.seed,
    cacheFolder: options.cacheFolder,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(onPhase === undefined ? {} : { onProgress: (count: number) => onPhase(`tokenised ${count} examples`) }),
  };
  const warn = ({ report }: Dataset): void => {
    for (const warning of dataWarnings(report, options.maxLength)) options.onWarning?.(warning);
  };
  const all = await createDataset({ ...shared, files: listOf(data.train), shuffle });
  warn(all);
  if (typeof validation === 'number') return { ...all.split(validation), report: all.report };
  if (validation === undefined) return { train: all, validation: null, report: all.report };
  const held = await createDataset({ ...shared, files: listOf(validation), shuffle: false });
  warn(held);
  return { train: all, validation: held, report: all.report };
}

/** How a recipe's examples are read and become rows. */
export function rowOptions(
  data: Omit<Recipe['data'], 'train'>,
  tokenizer: Tokenizer,
  maxLength: number,
  objective: ObjectiveSettings = defaultObjective,
  objectives: Objectives = [],
): RowOptions {
  const rows = rowsOf(objective, objectives);
  const labels = rows === 'labels' ? labelScheme(objective) : null;
  const { format, columns, header, template, promptLossWeight, trainOnHistory, longText } = data;
  return {
    tokenizer,
    template: rows === 'labels' || rows === 'texts' ? null : loadChatTemplate(tokenizer, template),
    maxLength: promptRoom(maxLength, answerTokensOf(objective, objectives)),
    promptLossWeight,
    trainOnHistory,
    longText,
    ...(format === undefined ? {} : { format }),
    ...(columns === undefined ? {} : { columns }),
    ...(header === undefined ? {} : { header }),
    ...(labels === null ? {} : { labels }),
    ...(rows === 'texts' ? { wholeTexts: true } : {}),
    ...(objective.answerStart === undefined ? {} : { answerStart: objective.answerStart }),
    ...(rows === 'labels' || rows === 'texts' || rows === 'answers' ? {} : { rows }),
  };
}

/** What is left of a row for a prompt that is to be answered. @throws CONFIG_INVALID where that is nothing */
function promptRoom(maxLength: number, answer: number): number {
  if (answer === 0 || maxLength - answer >= 2) return maxLength - answer;
  throw new TunesmithError('CONFIG_INVALID', 'the answers leave no room for a prompt', {
    where: 'data.maxLength',
    expected: `more than the ${answer} tokens that an answer may have`,
    got: String(maxLength),
    hint: 'Raise data.maxLength, or lower objective.maxNewTokens.',
  });
}

export type RowOptions = TokenizeOptions & FormatOptions & Pick<ReadOptions, 'header'>;

/** One file or several, as several. */
function listOf(files: string | readonly string[]): readonly string[] {
  return typeof files === 'string' ? [files] : files;
}
