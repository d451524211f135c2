import { type RowSource, TunesmithError } from '@tunesmith/core';
import {
  createDataset,
  type DataReport,
  type Dataset,
  type FormatOptions,
  loadChatTemplate,
  type ReadOptions,
  type TokenizeOptions,
  type Tokenizer,
  type WholeDataset,
} from '@tunesmith/data';
import type { OnPhase, OnWarning } from '../model/engine.js';
import {
  answerTokensOf,
  defaultObjective,
  labelScheme,
  type ObjectiveSettings,
  type Objectives,
  passagesOf,
  rowsOf,
} from '../objective/settings.js';
import type { Recipe } from '../recipe/recipe.js';
import { dataWarnings } from './data-warnings.js';
import { mixRows, sharesAt, withTask } from './mix-rows.js';

/** A recipe's rows, to train on and to hold out. */
export interface RunData {
  readonly train: Dataset;
  readonly validation: Dataset | null;
  /** Rows of tasks that were learnt before, where the recipe says which; none of the first. */
  readonly earlier?: RowSource;
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
  const reading = rowOptions(data, options.tokenizer, options.maxLength, options.objective, options.objectives);
  const shared = {
    packing,
    seed: options.seed,
    cacheFolder: options.cacheFolder,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(onPhase === undefined ? {} : { onProgress: (count: number) => onPhase(`tokenised ${count} examples`) }),
  };
  const open = async (files: readonly string[], shuffled: boolean, as: RowOptions = reading): Promise<WholeDataset> => {
    const dataset = await createDataset({ ...shared, ...as, files, shuffle: shuffled });
    for (const warning of dataWarnings(dataset.report, options.maxLength)) options.onWarning?.(warning);
    return dataset;
  };
  const { train: labelled, held } = await openTasks();
  const train = await besideTarget(labelled);
  const opened = { validation: held, report: train.report };
  if (data.earlier === undefined) return { ...opened, train };
  const files = listOf(data.earlier);
  if (files.length === 0) return { ...opened, train, earlier: noRows };
  const earlier = await open(files, shuffle);
  const { replay = 0, replayBuffer } = data;
  if (replay === 0) return { ...opened, train, earlier };
  const replayed = replayBuffer === undefined ? earlier : earlier.sample(replayBuffer);
  const mixed = mixRows([train, replayed], [1 - replay, replay], Math.round(train.length / (1 - replay)));
  return { ...opened, train: mixed, earlier };

  /** The training files as one data set, or each as a task of its own; and what is held out. */
  async function openTasks(): Promise<{ train: Dataset; held: Dataset | null }> {
    const { taskTemperature: temperature } = data;
    const all = listOf(data.train);
    const tasks: WholeDataset[] = [];
    for (const task of temperature === undefined ? [all] : all.map((file) => [file]))
      tasks.push(await open(task, shuffle));
    const together = (unmarked: readonly Dataset[]): Dataset => {
      const sets = temperature === undefined ? unmarked : unmarked.map(withTask);
      const sizes = sets.map(({ length }) => length);
      const [first, ...more] = sets as [Dataset, ...Dataset[]];
      const rows = sizes.reduce((sum, size) => sum + size, 0);
      return more.length === 0 ? first : mixRows(sets, sharesAt(temperature ?? 1, sizes), rows);
    };
    if (typeof validation === 'number') {
      const sides = tasks.map((task) => task.split(validation));
      return { train: together(sides.map((side) => side.train)), held: together(sides.map((side) => side.validation)) };
    }
    if (validation === undefined) return { train: together(tasks), held: null };
    // As many files as tasks are a task's each.
    const files = listOf(validation);
    const divided = temperature !== undefined && files.length === tasks.length ? files.map((file) => [file]) : [files];
    const held: WholeDataset[] = [];
    for (const some of divided) held.push(await open(some, false));
    return { train: together(tasks), held: divided.length === 1 ? (held[0] as Dataset) : together(held) };
  }

  /** Rows of the target domain between the labelled ones, one for each. */
  async function besideTarget(labelled: Dataset): Promise<Dataset> {
    if (data.target === undefined) return labelled;
    const target = await open(listOf(data.target), shuffle, textOptions(reading));
    return mixRows([labelled, target], [1, 1], 2 * labelled.length);
  }
}

const noRows: RowSource = { length: 0, async *read() {} };

/** How a recipe's examples are read and become rows. */
export function rowOptions(
  data: Omit<Recipe['data'], 'train'>,
  tokenizer: Tokenizer,
  maxLength: number,
  objective: ObjectiveSettings = defaultObjective,
  objectives: Objectives = [],
): RowOptions {
  const rows = rowsOf(objective, objectives);
  const passages = passagesOf(objective, objectives);
  const hasLabels = rows === 'labels' || rows === 'tags';
  const labels = hasLabels ? labelScheme(objective, objectives) : null;
  const { format, columns, header, template, promptLossWeight, trainOnHistory, longText } = data;
  return {
    tokenizer,
    template: hasLabels || rows === 'texts' ? null : loadChatTemplate(tokenizer, template),
    maxLength: promptRoom(maxLength, answerTokensOf(objective, objectives)),
    promptLossWeight,
    trainOnHistory,
    longText,
    ...(format === undefined ? {} : { format }),
    ...(columns === undefined ? {} : { columns }),
    ...(header === undefined ? {} : { header }),
    ...(labels === null ? {} : { labels }),
    ...(rows === 'texts' ? { wholeTexts: true } : {}),
    ...(passages === undefined ? {} : { passages }),
    ...(objective.answerStart === undefined ? {} : { answerStart: objective.answerStart }),
    ...(rows === 'labels' || rows === 'texts' || rows === 'answers' ? {} : { rows }),
  };
}

/** How texts without labels are read beside labelled ones: cut where these are. */
function textOptions({ labels: _, columns: { text } = {}, ...reading }: RowOptions): RowOptions {
  const columns = text === undefined ? {} : { text };
  return { ...reading, columns, wholeTexts: true, longText: 'truncate', format: 'text' };
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
