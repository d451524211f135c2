import { describe, expect, it } from 'vitest';
import { compacterPlusPlus } from './compacter.js';
import { houlsby } from './houlsby.js';
import { parallel, scaledParallel } from './parallel.js';
import { pfeiffer } from './pfeiffer.js';

const model = { defaultTargets: {}, fanInFanOut: false, task: 'causal-lm', sites: [] } as const;
const hubOf = (method: ReturnType<typeof houlsby>) => method.adapterHubConfig?.(model) as Record<string, unknown>;

describe("AdapterHub's config", () => {
  it.each([
    ['houlsby', houlsby, { reductionFactor: 8, dropout: 0.1, leaveOut: [1], trainLayerNorms: true }],
    ['pfeiffer', pfeiffer, { scaling: 2, activation: 'leakyrelu' }],
    ['parallel', parallel, { initialisation: 'bert', scaling: 0.5 }],
    ['scaled-parallel', scaledParallel, {}],
    ['compacter++', compacterPlusPlus, { hypercomplexDivision: 2, hypercomplexRank: 3, ruleDeviation: 0.01 }],
    ['compacter++ of its authors', compacterPlusPlus, { convention: 'paper' }],
  ] as const)('keeps what %s computes', (_, factory, options) => {
    const hub = hubOf((factory as typeof houlsby)(options as never));
    const read = (factory as typeof houlsby).definition.fromAdapterHub?.(JSON.parse(JSON.stringify(hub)));
    expect(hubOf((factory as typeof houlsby)(read as never))).toEqual(hub);
  });

  it('tells the methods apart', () => {
    const factories = [houlsby, pfeiffer, parallel, scaledParallel, compacterPlusPlus];
    for (const factory of factories) {
      const hub = hubOf((factory as typeof houlsby)());
      const readers = factories.filter(({ definition }) => definition.fromAdapterHub?.({ ...hub }) !== null);
      expect(readers).toEqual([factory]);
    }
  });

  it.each([
    ['ln_after', true],
    ['original_ln_after', false],
    ['output_adapter', false],
    ['use_gating', true],
    ['inv_adapter', 'nice'],
    ['stochastic_depth', 0.1],
    ['unheard_of', 3],
  ])('with %s %j is refused', (field, value) => {
    const hub = { ...hubOf(houlsby()), [field]: value };
    expect(() => houlsby.definition.fromAdapterHub?.(hub)).toThrow(`CAPABILITY_MISSING`);
    expect(() => houlsby.definition.fromAdapterHub?.(hub)).toThrow(`"${field}"`);
  });

  it('counts residual_before_ln where the adapter reads the normed stream, and nowhere else', () => {
    const before = { residual_before_ln: false };
    expect(houlsby.definition.fromAdapterHub?.({ ...hubOf(houlsby()), ...before })).not.toBeNull();
    expect(() => pfeiffer.definition.fromAdapterHub?.({ ...hubOf(pfeiffer()), ...before })).toThrow(
      'residual_before_ln',
    );
  });

  it('is another architecture’s to null', () => {
    expect(houlsby.definition.fromAdapterHub?.({ architecture: 'lora', r: 8 })).toBeNull();
  });
});
