import { describe, expect, it } from 'vitest';
import { createStopWatch } from './generate-text.js';

/** What comes out of a stop watch that is fed pieces. */
function passed(stops: string[], pieces: string[]): { text: string; stopped: boolean } {
  const watch = createStopWatch(stops);
  let text = '';
  for (const piece of pieces) {
    const result = watch.push(piece);
    text += result.piece;
    if (result.stopped) return { text, stopped: true };
  }
  return { text: text + watch.end(), stopped: false };
}

describe('a stop text', () => {
  it.each<[string[], string[], string, boolean]>([
    [['END'], ['a', 'b'], 'ab', false],
    [['END'], ['aEN', 'Db'], 'a', true],
    [['END'], ['aE', 'N', 'x'], 'aENx', false],
    [['END'], ['aEN'], 'aEN', false],
    [['\n\n', 'B'], ['x\n', 'yB\n\n'], 'x\ny', true],
    [['aab'], ['aa', 'ab'], 'a', true],
    [[], ['x'], 'x', false],
  ])('%j in %j leaves %j', (stops, pieces, text, stopped) => {
    expect(passed(stops, pieces)).toEqual({ text, stopped });
  });
  it('holds nothing back that cannot become one', () => {
    const watch = createStopWatch(['END']);
    expect(watch.push('abcE').piece).toBe('abc');
    expect(watch.push('x').piece).toBe('Ex');
  });
});
