import { describe, expect, it } from 'vitest';
import { didYouMean, nearestNames } from './nearest-names.js';
import { TunesmithError } from './tunesmith-error.js';

describe('nearestNames', () => {
  it('puts the closest first and drops what is far', () => {
    expect(nearestNames('q_porj', ['v_proj', 'q_proj', 'down_proj', 'embed_tokens'])).toEqual(['q_proj', 'v_proj']);
  });
  it('offers nothing that is much farther than the nearest', () => {
    expect(nearestNames('templat', ['replay', 'temperature', 'template'])).toEqual(['template']);
  });
  it('says what there is when nothing is near', () => {
    expect(didYouMean('zzzz', ['lora', 'full'])).toBe('Known: lora, full.');
    expect(didYouMean('lroa', ['lora', 'full'])).toBe('Did you mean lora?');
  });
});

describe('TunesmithError', () => {
  it('says what, where, expected, got and how to mend', () => {
    const error = new TunesmithError('SHAPE_MISMATCH', 'wrong shape', {
      where: 'model.norm',
      expected: '[8]',
      got: '[4]',
      hint: 'Check config.json.',
    });
    expect(error.message).toBe('SHAPE_MISMATCH at model.norm: wrong shape; expected [8], got [4]. Check config.json.');
    expect(TunesmithError.isInstance(error)).toBe(true);
    expect(TunesmithError.isInstance(new Error('x'))).toBe(false);
  });
});
