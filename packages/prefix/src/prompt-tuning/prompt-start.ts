import { type EmbeddingSite, type Initializer, normal, randomUniform } from '@tunesmith/core';
import type { PromptTuningConfig } from './config.js';

/**
 * What a prompt `[tokens, features]` starts as: N(0, 1), or the embeddings of tokens: drawn from the vocabulary, or those of
 * a text, over and over until there are enough (peft/tuners/prompt_tuning/model.py).
 */
export function promptStart({ init, initText = '' }: PromptTuningConfig, embedding: EmbeddingSite): Initializer {
  if (init === 'random') return normal(1);
  return async ({ shape: [count = 0, features = 0], key, readBase, tokenize }) => {
    const drawn = (index: number): number => Math.floor(randomUniform(key, index) * embedding.rows);
    const text = init === 'text' ? tokenize(initText) : undefined;
    const rows = await readBase(embedding.weightHandle.path);
    const values = new Float32Array(count * features);
    for (let index = 0; index < count; index++) {
      const token = text === undefined ? drawn(index) : (text[index % text.length] as number);
      values.set(rows.subarray(token * features, (token + 1) * features), index * features);
    }
    return values;
  };
}
