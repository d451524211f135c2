import { type ProblemType, questionAnswering, type Task } from '@tunesmith/core';
import type { LabelScheme } from '@tunesmith/data';
import { numberedLabels, type ObjectiveSettings } from './settings.js';

type Config = Readonly<Record<string, unknown>>;

/** transformers' word for each problem (configuration_utils.py). */
const problemTypes: Readonly<Record<ProblemType, string>> = {
  'single-label': 'single_label_classification',
  'multi-label': 'multi_label_classification',
  regression: 'regression',
};

/** What transformers calls a classifier's class: `BertForSequenceClassification`, `BertForTokenClassification`. */
const classifierClass = /For(Sequence|Token)Classification$/;

/** What a classifier gives logits of, and what they are called. */
export interface ClassifierHead extends LabelScheme {
  readonly task: Task;
}

/**
 * config.json of a classifier of texts or of tokens: its labels by name, what they mean, and its class. `padToken` is what fills up rows where
 * the config doesn't say: transformers finds a decoder's last token by it.
 */
export function withClassifier(config: Config, { task, names, problemType }: ClassifierHead, padToken: number): Config {
  const isOfTokens = task === 'token-classification';
  const { num_labels: _, architectures, pad_token_id: pad = null, ...rest } = config;
  const base = baseClass(architectures);
  return {
    ...rest,
    pad_token_id: pad ?? padToken,
    ...(base === null ? {} : { architectures: [`${base}For${isOfTokens ? 'Token' : 'Sequence'}Classification`] }),
    id2label: Object.fromEntries(names.map((name, index) => [String(index), name])),
    label2id: Object.fromEntries(names.map((name, index) => [name, index])),
    ...(isOfTokens ? {} : { problem_type: problemTypes[problemType] }),
  };
}

/** config.json of a model without a head, whose class transformers calls `BertModel`. */
export function withoutHead(config: Config): Config {
  const base = baseClass(config.architectures);
  return base === null ? config : { ...config, architectures: [`${base}Model`] };
}

/** config.json of a model that finds answers in passages: `BertForQuestionAnswering`. */
export function withAnswers(config: Config): Config {
  const { num_labels: _, id2label: __, label2id: ___, problem_type: ____, ...rest } = config;
  const base = baseClass(config.architectures);
  return base === null ? rest : { ...rest, architectures: [`${base}ForQuestionAnswering`] };
}

/** What transformers' classes of a model begin with; null where config.json names none. */
function baseClass(architectures: unknown): string | null {
  const [architecture] = Array.isArray(architectures) ? (architectures as unknown[]) : [];
  return typeof architecture === 'string' ? architecture.replace(/(For[A-Z]\w*|LMHeadModel|Model)$/, '') : null;
}

/** What a model's config.json says it is trained for: to classify, or to find answers; null for other models. */
export function trainedFor(config: Config): ObjectiveSettings | null {
  const { architectures } = config;
  const [name = ''] = Array.isArray(architectures) ? architectures.map(String) : [];
  if (name.endsWith('ForQuestionAnswering')) return { name: questionAnswering.definition.name };
  const found = classifierClass.exec(name);
  if (found === null) return null;
  return found[1] === 'Token' ? tokenClassificationIn(config) : classificationIn(config);
}

/** The tags of a config.json; `count` says how many there are where another file does. */
export function tokenClassificationIn(config: Config, count?: number): ObjectiveSettings {
  const { labels } = classificationIn(config, count);
  return { name: 'token-classification', labels };
}

/** The labels of a config.json and what they mean; `count` says how many there are where another file does. */
export function classificationIn(config: Config, count?: number): ObjectiveSettings {
  const { id2label, num_labels: number, problem_type: problem } = config;
  const names = typeof id2label === 'object' && id2label !== null ? namesOf(id2label as Record<string, unknown>) : [];
  const labels = names.length > 0 ? names : numberedLabels(typeof number === 'number' ? number : 2);
  const known = (Object.keys(problemTypes) as ProblemType[]).find((type) => problemTypes[type] === problem);
  // Without a word, transformers takes a single logit for a regression's.
  const total = count ?? labels.length;
  return {
    name: 'classification',
    labels: total === labels.length ? labels : numberedLabels(total),
    problemType: known ?? (total === 1 ? 'regression' : 'single-label'),
  };
}

function namesOf(id2label: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(id2label)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, name]) => String(name));
}
