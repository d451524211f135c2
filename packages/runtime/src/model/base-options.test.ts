import { quantizationSchema } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import type { AdapterManifest } from './adapter-folder.js';
import { baseFor } from './base-options.js';

const nf4 = quantizationSchema.parse({ type: 'nf4' });
const base = { path: 'model', dtype: 'auto' as const };

function adapter(path: string, said: Partial<AdapterManifest> | null) {
  const manifest = { method: 'lora', config: {}, step: 1, template: null, stage: null, objective: null };
  return { path, manifest: said && { ...manifest, resizeVocabulary: false, quantization: null, ...said } };
}

describe('the base of adapters', () => {
  it('is as it is said to be', () => {
    const trained = [adapter('a', { quantization: nf4 }), adapter('b', null)];
    expect(baseFor({ ...base, quantization: null }, trained).quantization).toBeNull();
    const fp4 = quantizationSchema.parse({ type: 'fp4' });
    expect(baseFor({ ...base, quantization: fp4 }, trained).quantization).toEqual(fp4);
  });
  it('is else as they were trained over it, where they say so', () => {
    expect(baseFor(base, [])).toEqual({ ...base, resizeVocabulary: false, quantization: null });
    expect(baseFor(base, [adapter('a', null)]).quantization).toBeNull();
    const two = [adapter('a', { quantization: nf4 }), adapter('b', null), adapter('c', { quantization: { ...nf4 } })];
    expect(baseFor(base, two).quantization).toEqual(nf4);
    expect(baseFor(base, [adapter('a', {}), adapter('b', { resizeVocabulary: true })]).resizeVocabulary).toBe(true);
  });
  it('has the settings of theirs where only their type is said', () => {
    const wide = { ...nf4, blockSize: 128 as const };
    const trained = [adapter('a', { quantization: wide }), adapter('b', {})];
    expect(baseFor({ ...base, quantization: 'nf4' }, trained).quantization).toEqual(wide);
    expect(baseFor({ ...base, quantization: 'fp4' }, trained).quantization).toEqual({ ...nf4, type: 'fp4' });
    expect(baseFor({ ...base, quantization: 'nf4' }, []).quantization).toEqual(nf4);
    expect(baseFor({ ...base, quantization: 'none' }, trained).quantization).toBe('none');
  });
  it('is refused where they do not agree', () => {
    expect(() => baseFor(base, [adapter('a', { quantization: nf4 }), adapter('b', {})])).toThrow('different ways');
    const other = quantizationSchema.parse({ type: 'nf4', blockSize: 128 });
    expect(() => baseFor(base, [adapter('a', { quantization: nf4 }), adapter('b', { quantization: other })])).toThrow(
      'different ways',
    );
  });
});
