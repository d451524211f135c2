import { classification, createExecutableCache, largestAt, predict, type Row, TunesmithError } from '@tunesmith/core';
import { encodeTexts } from '@tunesmith/data';
import { labelScheme, type ObjectiveSettings } from '../objective/settings.js';
import { maxLengthOf } from '../train/resolve-recipe.js';
import type { LoadedModel } from './load-model.js';

export interface ClassifyTextsOptions {
  /** What the model was trained for: its labels. `openModel` says it. */
  readonly objective: ObjectiveSettings;
  /** Texts, or pairs of them. */
  readonly texts: Iterable<string | readonly string[]> | AsyncIterable<string | readonly string[]>;
  /** Texts at once; 8 if not said. */
  readonly batchSize?: number;
  /** Most tokens of a text; as a recipe has it if not said. */
  readonly maxLength?: number;
}

/** What a model says of a text. */
export interface Classification {
  /** The label that it gives, or those of several that hold; none for a regression. */
  readonly labels: readonly string[];
  /** Each label's probability, or the targets of a regression, by name. */
  readonly scores: Readonly<Record<string, number>>;
}

/** Classifies texts, in their order. @throws CAPABILITY_MISSING for a model that does something else */
export async function* classifyTexts(
  { model, parameters, backend, tokenizer, path, objectives }: LoadedModel,
  { objective: settings, texts, batchSize = 8, maxLength: most }: ClassifyTextsOptions,
): AsyncGenerator<Classification, void, void> {
  const scheme = labelScheme(settings, objectives);
  if (scheme === null || model.head.task !== 'sequence-classification') {
    throw new TunesmithError('CAPABILITY_MISSING', 'this model is no classifier', {
      where: path,
      hint: 'Give it an adapter that was trained with objective: { name: classification }, or a merged model.',
    });
  }
  const maxLength = maxLengthOf(most === undefined ? {} : { maxLength: most }, model.shape);
  async function* rows(): AsyncGenerator<Row> {
    for await (const text of texts) {
      const { tokens, tokenTypes } = encodeTexts(tokenizer, typeof text === 'string' ? [text] : text, maxLength);
      yield { tokens, weights: new Float32Array(tokens.length), ...(tokenTypes && { tokenTypes }) };
    }
  }
  const executables = createExecutableCache(backend, parameters.tensors);
  // Whatever it learnt its scores from, they are read alike.
  const objective = classification({ labels: scheme.names.length, problemType: scheme.problemType });
  try {
    const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
    for await (const logits of predict(rows(), { model, parameters, objective, executables, collate })) {
      const values = probabilities(logits, scheme.problemType);
      const chosen = { 'single-label': [largestAt(logits)], 'multi-label': above(logits, 0), regression: [] };
      yield {
        labels: chosen[scheme.problemType].map((index) => scheme.names[index] as string),
        scores: Object.fromEntries(scheme.names.map((name, index) => [name, values[index] as number])),
      };
    }
  } finally {
    await executables.dispose();
  }
}

/** Softmax over classes, a sigmoid for each of several labels; targets as they are. */
export function probabilities(logits: Float32Array, problem: 'single-label' | 'multi-label' | 'regression'): number[] {
  const values = Array.from(logits);
  if (problem === 'regression') return values;
  if (problem === 'multi-label') return values.map((value) => 1 / (1 + Math.exp(-value)));
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function above(values: Float32Array, limit: number): number[] {
  return [...values.keys()].filter((index) => (values[index] as number) > limit);
}
