import {
  type AdapterStack,
  classification,
  contrastive,
  didYouMean,
  type Method,
  maskedLm,
  type Objective,
  type ObjectiveFactory,
  type PassageOptions,
  type ProblemType,
  questionAnswering,
  type RowKind,
  seq2seq,
  sft,
  type Task,
  TunesmithError,
  tokenClassification,
} from '@tunesmith/core';
import type { LabelScheme, Tokenizer } from '@tunesmith/data';

/** The objectives that need no plugin and whose options are a recipe's own. */
export const ownObjectives = ['sft', 'seq2seq', 'classification', 'token-classification', 'masked-lm'] as const;

/** Those of core that are made as plugins' are, with options of their own. */
const definedObjectives: Objectives = [contrastive, questionAnswering];

/** The runtime's own objective of a name, where it is made as plugins' are. */
export function definedObjective(name: string | undefined): ObjectiveFactory | undefined {
  return definedObjectives.find(({ definition }) => definition.name === name);
}

/** Whether an objective needs no plugin. */
export function isOwnObjective(name: string | undefined): boolean {
  return ownObjectives.some((own) => own === name) || definedObjective(name) !== undefined;
}

/** What a recipe's `objective` says, or an adapter's. */
export interface ObjectiveSettings {
  /** One of the runtime's own, or one that a plugin offers. */
  readonly name: string;
  /** Classification, of texts or tokens: the labels, or how many there are. */
  readonly labels?: number | readonly string[] | undefined;
  readonly problemType?: ProblemType;
  readonly maskShare?: number;
  /** Seq2seq: the token that every answer begins with. */
  readonly answerStart?: number | undefined;
  /** The options of a plugin's. */
  readonly [option: string]: unknown;
}

/** The objectives of plugins that were loaded. */
export type Objectives = readonly ObjectiveFactory[];

/** What words are learnt by if nothing is said. */
export const defaultObjective: ObjectiveSettings = { name: 'sft' };

/** The task that a model has to be built for, and how many labels it gives logits for. */
export function headOf(settings: ObjectiveSettings, plugins: Objectives = []): { task: Task; labels?: number } {
  switch (settings.name) {
    case 'sft':
      return { task: 'causal-lm' };
    case 'seq2seq':
      return { task: 'seq2seq-lm' };
    case 'masked-lm':
      return { task: 'masked-lm' };
    case 'classification':
      return { task: 'sequence-classification', labels: schemeOf(settings).names.length };
    case 'token-classification':
      return { task: 'token-classification', labels: schemeOf(settings).names.length };
    default: {
      const { task = 'causal-lm', labels } = configured(settings, plugins);
      return { task, ...(labels === undefined ? {} : { labels }) };
    }
  }
}

/** Methods that an objective has in the model beside those that train it. */
export function methodsOf(settings: ObjectiveSettings, plugins: Objectives = []): readonly Method[] {
  return isOwn(settings) ? [] : (configured(settings, plugins).methods ?? []);
}

/** Named adapters that an objective has act beside what is trained. */
export function adaptersOf(settings: ObjectiveSettings, plugins: Objectives = []): AdapterStack {
  return isOwn(settings) ? [] : (configured(settings, plugins).adapters ?? []);
}

/** Tokens that a row must have room for beside what the data gives: those of an answer to it. */
export function answerTokensOf(settings: ObjectiveSettings, plugins: Objectives = []): number {
  return isOwn(settings) ? 0 : (configured(settings, plugins).rollouts?.sampling.maxNewTokens ?? 0);
}

/** How passages become rows, where an objective asks about some. */
export function passagesOf(settings: ObjectiveSettings, plugins: Objectives = []): PassageOptions | undefined {
  return isOwn(settings) ? undefined : configured(settings, plugins).passages;
}

/** What is minimised. @throws CONFIG_INVALID */
export function createObjective(
  settings: ObjectiveSettings,
  tokenizer: Tokenizer,
  plugins: Objectives = [],
): Objective {
  switch (settings.name) {
    case 'sft':
      return sft;
    case 'seq2seq':
      return seq2seq;
    case 'classification': {
      const { names, problemType } = schemeOf(settings);
      return classification({ labels: names.length, problemType });
    }
    case 'token-classification':
      return tokenClassification({ labels: schemeOf(settings).names });
    case 'masked-lm':
      return maskedLm({
        maskToken: requireMask(tokenizer),
        vocabularySize: tokenizer.vocabSize,
        specialTokens: tokenizer.specialIds,
        ...(settings.maskShare === undefined ? {} : { share: settings.maskShare }),
      });
    default:
      return configured(settings, plugins);
  }
}

/** What a data file's rows are for: labels, whole texts of which tokens are hidden, or what words are learnt from. */
export function rowsOf(settings: ObjectiveSettings, plugins: Objectives = []): RowKind | 'labels' | 'texts' {
  switch (settings.name) {
    case 'sft':
    case 'seq2seq':
      return 'answers';
    case 'classification':
      return 'labels';
    case 'token-classification':
      return 'tags';
    case 'masked-lm':
      return 'texts';
    default:
      return configured(settings, plugins).rows ?? pluginNamed(settings.name, plugins).definition.rows;
  }
}

/** The plugin's objective of a name. @throws NAME_UNKNOWN */
function pluginNamed(name: string, plugins: Objectives): ObjectiveFactory {
  const found = plugins.find(({ definition }) => definition.name === name) ?? definedObjective(name);
  if (found !== undefined) return found;
  const known = [...ownObjectives, ...[...definedObjectives, ...plugins].map(({ definition }) => definition.name)];
  throw new TunesmithError('NAME_UNKNOWN', `the objective "${name}" was not given`, { hint: didYouMean(name, known) });
}

function configured({ name, ...options }: ObjectiveSettings, plugins: Objectives): Objective {
  return pluginNamed(name, plugins)(options);
}

/**
 * What a model's logits of a whole text, or of a token, are called and mean; null where it gives none. A plugin's have no names.
 * @throws CONFIG_INVALID where a classification doesn't name them
 */
export function labelScheme(settings: ObjectiveSettings, plugins: Objectives = []): LabelScheme | null {
  const { task, labels = 1 } = headOf(settings, plugins);
  if (task === 'token-classification') return schemeOf(settings);
  if (task !== 'sequence-classification') return null;
  if (rowsOf(settings, plugins) === 'labels') return schemeOf(settings);
  return { names: numberedLabels(labels), problemType: configured(settings, plugins).problemType ?? 'single-label' };
}

function isOwn({ name }: ObjectiveSettings): boolean {
  return (ownObjectives as readonly string[]).includes(name);
}

/** Names for labels that have none, as transformers gives them. */
export function numberedLabels(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `LABEL_${index}`);
}

function schemeOf({ labels, problemType = 'single-label' }: ObjectiveSettings): LabelScheme {
  if (labels !== undefined) {
    return { problemType, names: typeof labels === 'number' ? numberedLabels(labels) : labels };
  }
  throw new TunesmithError('CONFIG_INVALID', 'a classification needs its labels', {
    where: 'objective.labels',
    expected: 'their names, or how many there are',
  });
}

function requireMask({ maskId, files }: Tokenizer): number {
  if (maskId !== null) return maskId;
  throw new TunesmithError('CONFIG_INVALID', 'the tokenizer has no token that stands for a hidden one', {
    where: files.where ?? 'tokenizer_config.json',
    expected: 'a mask_token, as encoders have it',
    hint: 'Is this an encoder, such as BERT?',
  });
}
