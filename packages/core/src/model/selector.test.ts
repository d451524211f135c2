import { describe, expect, it } from 'vitest';
import { selectSites } from './selector.js';
import type { SiteBase } from './site.js';

const sites: SiteBase[] = [
  ...[0, 1].flatMap((depth) =>
    ['self_attn.q_proj', 'self_attn.v_proj', 'mlp.down_proj'].map(
      (name): SiteBase => ({ kind: 'linear', path: `model.layers.${depth}.${name}`, role: 'attention.query', depth }),
    ),
  ),
  { kind: 'linear', path: 'lm_head', role: 'head', depth: null },
];
const select = (selector: Parameters<typeof selectSites>[1]): string[] =>
  selectSites(sites, selector, 'lora').map(({ path }) => path);

describe('selectSites', () => {
  it('matches names by path ending, and a string as a whole-path expression', () => {
    expect(select({ include: ['q_proj'] })).toEqual([
      'model.layers.0.self_attn.q_proj',
      'model.layers.1.self_attn.q_proj',
    ]);
    expect(select({ include: ['layers.1.mlp.down_proj'] })).toEqual(['model.layers.1.mlp.down_proj']);
    expect(select({ include: '.*\\.1\\..*v_proj' })).toEqual(['model.layers.1.self_attn.v_proj']);
    expect(() => select({ include: ['proj'] })).toThrow('"proj" matches no site');
  });
  it('leaves the head out of all-linear, but takes it by name', () => {
    expect(select({ include: 'all-linear' })).toHaveLength(6);
    expect(select({ include: ['lm_head'] })).toEqual(['lm_head']);
  });
  it('excludes, and keeps only the layers asked for', () => {
    expect(select({ include: 'all-linear', exclude: ['down_proj'], layers: [1] })).toEqual([
      'model.layers.1.self_attn.q_proj',
      'model.layers.1.self_attn.v_proj',
    ]);
  });
  it('fails for every entry without a match, with the nearest names', () => {
    expect(() => select({ include: ['q_proj', 'k_porj'] })).toThrow(/"k_porj" matches no site.*(q_proj|v_proj)/s);
    expect(() => select({ include: ['q_proj'], layers: [7] })).toThrow(/no layer 7.*0 to 1/);
    expect(() => select({ include: ['q_proj'], exclude: ['q_proj'] })).toThrow('the selection is empty');
    expect(() => select({ include: '(' })).toThrow('not a regular expression');
  });
});
