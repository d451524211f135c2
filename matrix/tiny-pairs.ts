import type { Row } from '@tunesmith/core';
import { type TinyModel, tinyRows } from '@tunesmith/testing';

/** Two tokens of a prompt, and two answers to it. */
export function tinyPairs({ model }: Pick<TinyModel, 'model'>, count = 16): Row[] {
  const texts = tinyRows(model, 2 * count);
  const prompted = ({ tokens }: Row, prompt: Int32Array) => ({
    tokens: Int32Array.from([...prompt, ...tokens.subarray(2)]),
    weights: new Float32Array(tokens.length).fill(1, 2),
  });
  return Array.from({ length: count }, (_, pair) => {
    const [chosen, rejected] = [texts[2 * pair] as Row, texts[2 * pair + 1] as Row];
    const prompt = chosen.tokens.subarray(0, 2);
    return { ...prompted(chosen, prompt), rejected: prompted(rejected, prompt) };
  });
}
