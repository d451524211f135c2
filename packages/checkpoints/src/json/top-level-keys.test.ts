import { expect, it } from 'vitest';
import { topLevelKeys } from './top-level-keys.js';

it('finds outermost keys only, repeated and escaped ones too', () => {
  const text = `{"a" :{"inner":1,"list":["x:", {"y":2}]},"b":"c","\\u0061":"}\\"",  "d"\n\t          :null}`;
  expect(topLevelKeys(text)).toEqual(['a', 'b', 'a', 'd']);
});

it('finds none in an empty object', () => {
  expect(topLevelKeys('{}')).toEqual([]);
});
