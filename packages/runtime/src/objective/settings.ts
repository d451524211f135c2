import {
  classification,
  maskedLm,
  type Objective,
  type ProblemType,
  sft,
  type Task,
  TunesmithError,
} from '@tunesmith/core';
import type { LabelScheme, Tokenizer } from '@tunesmith/data';

/** What a recipe's `objective` says, or an adapter's. */
export interface ObjectiveSettings {
  readonly name: 'sft' | 'classification' | 'masked-lm';
  /** Classification: the labels, or how many there are. */
  readonly labels?: number | readonly string[] | undefined;
  readonly problemType?: ProblemType;
  readonly maskShare?: number;
}

/** What words are learnt by if nothing is said. */
export const defaultObjective: ObjectiveSettings = { name: 'sft' };

/** The task that a model has to be built for, and how many labels it gives logits for. */
export function headOf(settings: ObjectiveSettings): { task: Task; labels?: number } {
  switch (settings.name) {
    case 'sft':
      return { task: 'causal-lm' };
    case 'masked-lm':
      return { task: 'masked-lm' };
    case 'classification':
      return { task: 'sequence-classification', labels: schemeOf(settings).names.length };
  }
}

/** What is minimised. @throws CONFIG_INVALID */
export function createObjective(settings: ObjectiveSettings, tokenizer: Tokenizer): Objective {
  switch (settings.name) {
    case 'sft':
      return sft;
    case 'classification': {
      const { names, problemType } = schemeOf(settings);
      return classification({ labels: names.length, problemType });
    }
    case 'masked-lm':
      return maskedLm({
        maskToken: requireMask(tokenizer),
        vocabularySize: tokenizer.vocabSize,
        specialTokens: tokenizer.specialIds,
        ...(settings.maskShare === undefined ? {} : { share: settings.maskShare }),
      });
  }
}

/** The labels of a classification; null for other objectives. @throws CONFIG_INVALID where it doesn't name them */
export function labelScheme(settings: ObjectiveSettings): LabelScheme | null {
  return settings.name === 'classification' ? schemeOf(settings) : null;
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
