import { type Handle, type Model, TunesmithError } from '@tunesmith/core';
import type { Tokenizer } from '@tunesmith/data';

type Config = Readonly<Record<string, unknown>>;

/** A config.json whose vocabulary has room for a tokenizer. */
export interface FittedConfig {
  readonly config: Config;
  /** Tokens that the checkpoint has rows for; null where that is all of them. */
  readonly vocabularyBefore: number | null;
}

/**
 * Makes room for a tokenizer's tokens in a model's vocabulary, as transformers' `resize_token_embeddings(len(tokenizer))`
 * does, where that is wanted; it never shrinks.
 * @param plain the model of the config as it is
 * @throws SHAPE_MISMATCH where it is not wanted
 */
export function fitVocabulary(
  plain: Model,
  config: Config,
  { vocabSize }: Tokenizer,
  { where, resize }: { readonly where: string; readonly resize: boolean },
): FittedConfig {
  const { vocabularySize } = plain.shape;
  if (vocabSize <= vocabularySize) return { config, vocabularyBefore: null };
  if (resize) return { config: { ...config, vocab_size: vocabSize }, vocabularyBefore: vocabularySize };
  throw new TunesmithError('SHAPE_MISMATCH', 'the tokenizer has tokens that the model has no embedding for', {
    where,
    expected: `at most ${vocabularySize} tokens`,
    got: String(vocabSize),
    hint: 'Is tokenizer.json from the same model? To train new tokens, say `model.resizeVocabulary: true`.',
  });
}

/**
 * Refuses to train a model whose new tokens would stay what they start as, one like the other.
 * @throws CONFIG_INVALID
 */
export function checkNewTokensTrain(plain: Model, model: Model): void {
  const before = new Map(plain.handles.map(({ path, shape }) => [path, shape.join()]));
  const grown = model.handles.filter(
    ({ owner, path, shape }) => owner === 'base' && before.has(path) && before.get(path) !== shape.join(),
  );
  const still = grown.filter((handle) => !isTrained(model, handle));
  if (still.length === 0) return;
  throw new TunesmithError(
    'CONFIG_INVALID',
    'new tokens would all stay the same: nothing that trains reaches their rows',
    {
      where: 'model.resizeVocabulary',
      expected: `something that trains at ${still.map(({ path }) => path).join(', ')}`,
      got: model.methods.map(({ name }) => name).join(', ') || 'no method',
      hint: 'Train it whole (`full`, or LoRA with it in `modulesToSave`), by LoRA as one of its `targetModules`, or the new tokens alone by LoRA’s `trainableTokenIndices`.',
    },
  );
}

/** Whether the weight itself trains, or something at a module that uses it. */
function isTrained({ trained, sites, resolve }: Model, handle: Handle): boolean {
  const users = sites.filter((site) => 'weightHandle' in site && site.weightHandle === handle);
  return trained.some(
    ({ key, path }) => key === resolve(handle).key || users.some((site) => path.startsWith(`${site.path}.`)),
  );
}
