import {
  createExecutableCache,
  largestAt,
  predict,
  type Row,
  spansOf,
  TunesmithError,
  tagScores,
  tokenClassification,
} from '@tunesmith/core';
import { encodeWords } from '@tunesmith/data';
import { labelScheme, type ObjectiveSettings } from '../objective/settings.js';
import { maxLengthOf } from '../train/resolve-recipe.js';
import { probabilities } from './classify-texts.js';
import type { LoadedModel } from './load-model.js';

export interface TagTextsOptions {
  /** What the model was trained for: its tags. `openModel` says it. */
  readonly objective: ObjectiveSettings;
  /** Texts, which are parted into words and signs, or words already. */
  readonly texts: Iterable<string | readonly string[]> | AsyncIterable<string | readonly string[]>;
  /** Texts at once; 8 if not said. */
  readonly batchSize?: number;
  /** Most tokens of a text; as a recipe has it if not said. */
  readonly maxLength?: number;
}

/** A word, its likeliest tag, and how likely that is; both null where the text is cut before it. */
export interface TaggedWord {
  readonly word: string;
  readonly tag: string | null;
  readonly score: number | null;
}

/** Words that are called something together, and the mean of what their tags' probabilities are. */
export interface TaggedSpan {
  readonly text: string;
  readonly type: string;
  readonly score: number;
}

export interface TaggedText {
  readonly words: readonly TaggedWord[];
  /** What tags such as `B-PER` mark; none where they are no such tags. */
  readonly spans: readonly TaggedSpan[];
}

/** Tags the words of texts, in their order. @throws CAPABILITY_MISSING for a model that does something else */
export async function* tagTexts(
  { model, parameters, backend, tokenizer, path, objectives }: LoadedModel,
  { objective: settings, texts, batchSize = 8, maxLength: most }: TagTextsOptions,
): AsyncGenerator<TaggedText, void, void> {
  if (model.head.task !== 'token-classification') {
    throw new TunesmithError('CAPABILITY_MISSING', 'this model tags no words', {
      where: path,
      hint: 'Give it an adapter that was trained with objective: { name: token-classification }, or a merged model.',
    });
  }
  const names = labelScheme(settings, objectives)?.names ?? [];
  const maxLength = maxLengthOf(most === undefined ? {} : { maxLength: most }, model.shape);
  const pending: { readonly words: readonly string[]; readonly isKept: readonly boolean[] }[] = [];
  async function* rows(): AsyncGenerator<Row> {
    for await (const text of texts) {
      const words = typeof text === 'string' ? wordsOf(text) : text;
      const { tokens, tokenTypes, starts } = encodeWords(tokenizer, words, maxLength);
      const weights = new Float32Array(tokens.length);
      for (const start of starts) if (start >= 0) weights[start] = 1;
      pending.push({ words, isKept: Array.from(starts, (start) => start >= 0) });
      yield { tokens, weights, ...(tokenTypes && { tokenTypes }) };
    }
  }
  const executables = createExecutableCache(backend, parameters.tensors);
  const objective = tokenClassification({ labels: names });
  try {
    const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
    for await (const predicted of predict(rows(), { model, parameters, objective, executables, collate })) {
      const { words, isKept } = pending.shift() as (typeof pending)[number];
      let next = 0;
      const tagged = words.map((word, index): TaggedWord => {
        if (!isKept[index]) return { word, tag: null, score: null };
        const logits = tagScores(predicted, next++, names.length);
        const best = largestAt(logits);
        return { word, tag: names[best] as string, score: probabilities(logits, 'single-label')[best] as number };
      });
      yield { words: tagged, spans: spansIn(tagged) };
    }
  } finally {
    await executables.dispose();
  }
}

/** Words, with what stands inside them, and every other sign by itself. */
function wordsOf(text: string): string[] {
  return text.match(/[\p{L}\p{M}\p{N}]+(?:[-'’.][\p{L}\p{M}\p{N}]+)*|\S/gu) ?? [];
}

function spansIn(words: readonly TaggedWord[]): TaggedSpan[] {
  return spansOf(words.map(({ tag }) => tag ?? 'O')).map(({ type, start, end }) => {
    const inside = words.slice(start, end);
    const score = inside.reduce((sum, { score: each }) => sum + (each ?? 0), 0) / inside.length;
    return { text: inside.map(({ word }) => word).join(' '), type, score };
  });
}
