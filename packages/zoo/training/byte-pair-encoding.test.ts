import { expect, it } from 'vitest';
import { byteCharacters, trainBytePairs } from './byte-pair-encoding.js';

it('joins the most frequent pair first, and never across words or digits', () => {
  const { tokens, merges } = trainBytePairs(['abab abab 1212 1212', 'ab'], 258);
  expect(tokens.slice(0, 256)).toEqual(byteCharacters);
  expect(merges).toEqual([
    ['a', 'b'],
    ['ab', 'ab'],
  ]);
  expect(tokens.slice(256)).toEqual(['ab', 'abab']);
  expect(trainBytePairs(['ab ab xy xy'], 257).merges).toEqual([['Ġ', 'x']]); // of three pairs with two, the lowest ids
  expect(() => trainBytePairs(['1212 1212'], 260)).toThrow('only 256 tokens');
});

it('gives each byte a character of its own', () => {
  expect(new Set(byteCharacters).size).toBe(256);
  expect(byteCharacters[0x20]).toBe('Ġ');
});
